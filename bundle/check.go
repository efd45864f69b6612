package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// checkManifest applies every rule that needs no file.
func checkManifest(m *Manifest) error {
	switch {
	case m.Aria != "1":
		return refuse("format version %q; this build reads version \"1\"", m.Aria)
	case !ValidName(m.Name):
		return refuse("bad name %q", m.Name).WithHint(`lower-case letters, digits, ". _ -", with or without a namespace: "orders", "acme/orders"`)
	case !ValidVersion(m.Version):
		return refuse("bad version %q", m.Version).WithHint(`write three numbers: "1.2.3", "1.2.3-beta.1"`)
	case m.Files == nil:
		return refuse("the manifest has no files")
	case len(m.Units) == 0:
		return refuse("it has no units").WithHint("mark a method with @tool() or a class with @agent()")
	}
	for _, path := range slices.Sorted(maps.Keys(m.Files)) {
		if err := checkListed(path, m.Files[path]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Defs)) {
		if !isObject(m.Defs[name]) {
			return refuse("$defs: %q is not a schema object", name)
		}
	}
	if err := checkPermissions(m); err != nil {
		return err
	}
	if err := checkPins(m); err != nil {
		return err
	}
	for i := range m.Units {
		if i > 0 && m.Units[i].Name <= m.Units[i-1].Name {
			return refuse("unit %q is out of order or stands twice", m.Units[i].Name)
		}
		if err := checkUnit(m, &m.Units[i]); err != nil {
			err.Message += " (unit " + m.Units[i].Name + ")"
			return err
		}
	}
	return nil
}

func checkListed(path string, f File) error {
	if path == ManifestName {
		return refuse("the manifest lists itself")
	}
	if err := checkPath(path); err != nil {
		return err
	}
	if strings.HasPrefix(path, signatureFolder) {
		return refuse("the manifest lists %q: signatures stand outside the digest", path)
	}
	if raw, err := hex.DecodeString(f.Sha256); err != nil || len(raw) != 32 || f.Sha256 != strings.ToLower(f.Sha256) {
		return refuse("%q has a bad sha256 in the manifest", path)
	}
	if f.Size < 0 || f.Size > MaxFile {
		return refuse("%q has a bad size in the manifest: %d", path, f.Size)
	}
	return nil
}

// checkPermissions: what people read before they install covers every unit.
func checkPermissions(m *Manifest) error {
	var listed []string
	for _, use := range m.Permissions.Tokens {
		listed = append(listed, use.Token)
	}
	if err := checkTokens(listed); err != nil {
		return err
	}
	for _, u := range m.Units {
		for _, t := range u.Tokens {
			if _, ok := slices.BinarySearch(listed, t); !ok {
				return refuse("unit %q asks for %q, which permissions do not list", u.Name, t)
			}
		}
	}
	return nil
}

func checkTokens(list []string) *fault.Error {
	for i, s := range list {
		t, err := token.Parse(s)
		if f, ok := fault.As(err); ok {
			return refuse("%s", f.Message).WithHint("%s", f.Hint)
		}
		if t.String() != s {
			return refuse("token %q is not canonical", s).WithHint("write %q", t)
		}
		if i > 0 && s <= list[i-1] {
			return refuse("token %q is out of order or stands twice", s)
		}
	}
	return nil
}

// isObject: raw is one JSON object. Its inside was parsed with the manifest.
func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 1 && raw[0] == '{' && json.Valid(raw)
}
