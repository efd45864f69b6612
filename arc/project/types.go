package project

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/sdk"
)

// types are the files of typesDir that are the SDK's, by name.
func types() map[string]string {
	return map[string]string{
		"sdk.d.ts": sdk.Types(), "sdk.js": sdk.Runtime(),
		"testing.d.ts": sdk.TestingTypes(), "testing.js": sdk.Testing(),
		"aria-runtime.d.ts": sdk.Ambient(),
	}
}

// StaleTypes are those files of .arc/types that another arc wrote, or that are
// missing; none in a project that has no such folder.
func (p *Project) StaleTypes() []string {
	dir := filepath.Join(p.Dir, typesDir)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(types())) {
		have, err := file.Read(filepath.Join(dir, name), name, file.Small)
		if err != nil || string(have) != types()[name] {
			out = append(out, typesDir+"/"+name)
		}
	}
	return out
}

// RefreshTypes writes them anew.
func (p *Project) RefreshTypes() error {
	for name, text := range types() {
		if err := writeNew(filepath.Join(p.Dir, typesDir, name), text); err != nil {
			return err
		}
	}
	return nil
}
