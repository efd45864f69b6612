package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// canonical is manifest.json: compact JSON, fields in the order of the Go
// types, maps sorted by key, schemas in the order the compiler wrote them, no
// escapes but the needed ones, one LF at the end.
func (m *Manifest) canonical() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}

// parseManifest takes canonical bytes only: two manifests that mean the same
// are the same bytes, so that one bundle has one digest.
func parseManifest(raw []byte) (*Manifest, error) {
	if !utf8.Valid(raw) {
		return nil, refuse("%s is not UTF-8", ManifestName)
	}
	if err := uniqueKeys(raw); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var m Manifest
	if err := d.Decode(&m); err != nil {
		return nil, refuse("%s: %s", ManifestName, strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := checkManifest(&m); err != nil {
		return nil, err
	}
	again, err := m.canonical()
	if err != nil {
		return nil, err
	}
	if i := differ(raw, again); i >= 0 {
		return nil, refuse("%s is not in canonical form from byte %d on", ManifestName, i)
	}
	return &m, nil
}

// ParseManifest reads a manifest.json that came without its bundle, by the rules
// of Open, and gives the digest it has. Its files were not seen.
func ParseManifest(raw []byte) (*Manifest, Digest, error) {
	m, err := parseManifest(raw)
	if err != nil {
		return nil, "", err
	}
	return m, digest(raw), nil
}

// differ is the first index at which a and b differ, -1 if they do not.
func differ(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return n
	}
	return -1
}

// maxDepth of the JSON in a manifest.
const maxDepth = 256

// uniqueKeys refuses objects in which a key stands twice: two readers could
// take different values. encoding/json takes the last one without a word.
func uniqueKeys(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []map[string]bool // nil for arrays
	key := false               // the next string is a key
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if err != nil {
			return refuse("%s is not JSON: %v", ManifestName, err)
		}
		switch v := t.(type) {
		case json.Delim:
			if len(open) > maxDepth {
				return refuse("%s is nested deeper than %d", ManifestName, maxDepth)
			}
			switch v {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			key = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if key {
				if open[len(open)-1][v] {
					return refuse("%s has the key %q twice in one object", ManifestName, v)
				}
				open[len(open)-1][v] = true
				key = false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}
