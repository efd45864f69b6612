package sdk

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

var update = flag.Bool("update", false, "rewrite dist from src")

// What dist holds is what src says: built here, compared byte for byte.
func TestDistIsBuiltFromSource(t *testing.T) {
	for _, out := range []struct {
		entry, file string
		options     api.BuildOptions
	}{
		{"src/index.ts", "dist/index.js", api.BuildOptions{Format: api.FormatESModule}},
		{"src/testing.ts", "dist/testing.js", api.BuildOptions{Format: api.FormatESModule}},
		// The pragma tells Bun that there is nothing to transpile, which saves
		// about a millisecond of every start; the wrapper is its form of CommonJS.
		{"src/harness/main.ts", "dist/harness.js", api.BuildOptions{
			Format: api.FormatCommonJS,
			Banner: map[string]string{"js": "// @bun @bun-cjs\n(function(exports, require, module, __filename, __dirname) {"},
			Footer: map[string]string{"js": "})"},
		}},
	} {
		t.Run(out.file, func(t *testing.T) {
			got := build(t, out.entry, out.options)
			if *update {
				if err := os.WriteFile(out.file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(out.file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what %s builds to; run go test ./sdk -update", out.file, out.entry)
			}
		})
	}
}

func build(t *testing.T, entry string, o api.BuildOptions) []byte {
	t.Helper()
	o.EntryPoints = []string{entry}
	o.Bundle = true
	o.Target = api.ES2022
	o.Platform = api.PlatformNeutral
	o.KeepNames = o.Format == api.FormatESModule // the names of error classes are read by people
	o.TsconfigRaw = `{}`
	o.Charset = api.CharsetUTF8
	o.MinifySyntax = true
	o.LegalComments = api.LegalCommentsNone
	o.External = []string{"node:*"} // Bun's own, loaded where they are asked for
	o.LogLevel = api.LogLevelSilent
	r := api.Build(o)
	for _, m := range append(r.Errors, r.Warnings...) {
		t.Errorf("%s: %s", entry, m.Text)
	}
	if len(r.OutputFiles) != 1 {
		t.Fatalf("%s: %d outputs", entry, len(r.OutputFiles))
	}
	return r.OutputFiles[0].Contents
}

// The surface others rely on: what is embedded is there and is what it claims.
func TestSurface(t *testing.T) {
	for name, c := range map[string]struct{ text, has string }{
		"types":            {Types(), "export function kv<T"},
		"ambient":          {Ambient(), "declare class URL "},
		"runtime":          {Runtime(), "export {"},
		"testing":          {Testing(), "memoryHost"},
		"types of testing": {TestingTypes(), "export function memoryHost"},
		"harness":          {string(Harness()), `t: "ready"`},
	} {
		if !bytes.Contains([]byte(c.text), []byte(c.has)) {
			t.Errorf("%s does not hold %q", name, c.has)
		}
	}
	if bytes.Contains([]byte(Runtime()), []byte("import ")) {
		t.Error("the runtime imports something; it must stand alone")
	}
}
