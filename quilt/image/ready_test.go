package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReady(t *testing.T) {
	harness := []byte("export {}")
	for _, c := range []struct{ name, about, harness, want string }{
		{"whole", `{"digest":"abc","bun":"1.0.0"}`, "export {}", ""},
		{"no description", "", "export {}", "has no description"},
		{"no digest", `{"bun":"1.0.0"}`, "export {}", "no digest"},
		{"another harness", `{"digest":"abc","bun":"1.0.0"}`, "other", "made for another quiltd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "image")
			if err := os.MkdirAll(filepath.Join(dir, "aria"), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.about != "" {
				if err := os.WriteFile(dir+".json", []byte(c.about), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "aria/harness.js"), []byte(c.harness), 0o644); err != nil {
				t.Fatal(err)
			}
			img, about, err := Ready(dir, harness)
			if c.want == "" {
				if err != nil || img.Digest != "abc" || about.Bun != "1.0.0" {
					t.Fatalf("%v %v %v", img, about, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}
