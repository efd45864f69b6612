package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// What a project's bunfig.toml says of registries holds; the code that it names
// does not run while packages are installed.
func TestProjectsBunConfig(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mark := filepath.Join(t.TempDir(), "ran")
	reg := newRegistry(t, mark)
	code := fmt.Sprintf("require('fs').writeFileSync(%q, 'ran');\nexport const scanner = { version: '1', async scan() { return []; } };\n", mark)
	r, _ := project(t, map[string]string{
		"package.json":                   `{"dependencies":{"left":"^1.0.0"},"devDependencies":{"scan":"file:./scan"}}`,
		"bunfig.toml":                    fmt.Sprintf("preload = [\"./scan/index.js\"]\n[install]\nregistry = %q\n[install.security]\nscanner = \"scan\"\n", reg.URL),
		"scan/package.json":              `{"name":"scan","version":"1.0.0","main":"index.js"}`,
		"scan/index.js":                  code,
		"node_modules/scan/package.json": `{"name":"scan","version":"1.0.0","main":"index.js"}`,
		"node_modules/scan/index.js":     code,
	})
	if err := Ensure(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if version, ok := installed(r.Dir, "left"); !ok || version != "1.1.0" {
		t.Errorf("left %q from the registry of bunfig.toml: %v", version, ok)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("code of the project ran during an install")
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "arc-bunfig-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
