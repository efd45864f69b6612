package packages

import (
	"strings"
	"testing"
)

// FuzzReadLock: a lock file is anybody's text; what is read from it names
// packages by name and version, and nothing else.
func FuzzReadLock(f *testing.F) {
	f.Add([]byte("{\n  \"lockfileVersion\": 1,\n  \"packages\": {\n    \"zod\": [\"zod@4.2.1\", \"\", {}, \"sha512-x\"],\n  }\n}"))
	f.Add([]byte(`{"lockfileVersion":3,"packages":{"":{},"node_modules/@a/b":{"version":"1.0.0"},"node_modules/x/node_modules/y":{"version":"2.0.0","link":true}}}`))
	f.Add([]byte(`{"lockfileVersion":2,"packages":{"node_modules/":{"version":"1"},"a/node_modules/b":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, r := range readers {
			l := &Lock{File: r.file, top: map[string]string{}, all: map[string]bool{}}
			if !r.read(raw, l) {
				continue
			}
			for name, version := range l.top {
				if version == "" || version[0] < '0' || version[0] > '9' || !l.Holds(name, version) {
					t.Errorf("%s: %q in version %q", r.file, name, version)
				}
			}
			for both := range l.all {
				if !strings.Contains(both, "@") {
					t.Errorf("%s: %q", r.file, both)
				}
			}
		}
	})
}
