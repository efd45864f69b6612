package compiler

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/compiler/jsonc"
	"github.com/ariacomputecompany/firmware/arc/file"
)

// lockedHashes are the hashes that the project's lock file has, by name@version:
// of package-lock.json (npm) or bun.lock (Bun). A lock file that cannot be read
// has none.
func lockedHashes(dir string) map[string]bomHash {
	out := map[string]bomHash{}
	add := func(name, version, integrity string) {
		if h, ok := hashOf(integrity); ok && name != "" && version != "" {
			out[name+"@"+version] = h
		}
	}
	if raw, err := file.Read(path.Join(dir, "package-lock.json"), "package-lock.json", file.Large); err == nil {
		var lock struct {
			Packages map[string]struct{ Name, Version, Integrity string }
		}
		if json.Unmarshal(raw, &lock) == nil {
			for at, p := range lock.Packages {
				name := p.Name // only where it differs from the folder
				if i := strings.LastIndex(at, "node_modules/"); name == "" && i >= 0 {
					name = at[i+len("node_modules/"):]
				}
				add(name, p.Version, p.Integrity)
			}
		}
	}
	if raw, err := file.Read(path.Join(dir, "bun.lock"), "bun.lock", file.Large); err == nil {
		var lock struct{ Packages map[string][]json.RawMessage }
		if json.Unmarshal(jsonc.Plain(raw), &lock) == nil {
			for _, p := range lock.Packages {
				var id, integrity string
				if len(p) < 2 || json.Unmarshal(p[0], &id) != nil || json.Unmarshal(p[len(p)-1], &integrity) != nil {
					continue
				}
				if i := strings.LastIndexByte(id, '@'); i > 0 {
					add(id[:i], id[i+1:], integrity)
				}
			}
		}
	}
	return out
}

// hashOf turns an integrity text (W3C Subresource Integrity) into CycloneDX's.
func hashOf(integrity string) (bomHash, bool) {
	first, _, _ := strings.Cut(integrity, " ")
	alg, sum, _ := strings.Cut(first, "-")
	names := map[string]struct {
		alg  string
		size int
	}{"sha512": {"SHA-512", 64}, "sha384": {"SHA-384", 48}, "sha256": {"SHA-256", 32}, "sha1": {"SHA-1", 20}}
	raw, err := base64.StdEncoding.DecodeString(sum)
	n, ok := names[alg]
	if err != nil || !ok || len(raw) != n.size {
		return bomHash{}, false
	}
	return bomHash{n.alg, hex.EncodeToString(raw)}, true
}
