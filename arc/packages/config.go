package packages

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// harmless are the settings of [install] in bunfig.toml that an install takes
// from the project: where packages come from and how they are laid out. All
// others stay behind, because some of them ("security.scanner", "preload") name
// code that Bun would run on the author's machine, whatever is said of scripts.
var harmless = []string{"registry", "scopes", "ca", "cafile", "linker", "exact", "minimumReleaseAge", "minimumReleaseAgeExcludes"}

// config writes the harmless part of the project's bunfig.toml to a file of its
// own, which Bun is given in the project's place. done removes it.
func config(dir string) (path string, done func(), err error) {
	text, err := file.Read(filepath.Join(dir, "bunfig.toml"), "bunfig.toml", file.Small)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	var said struct {
		Install map[string]any `toml:"install"`
	}
	if _, err := toml.Decode(string(text), &said); err != nil {
		return "", nil, fault.Wrap(err, fault.Invalid, "bunfig.toml: %v", err).WithHint("mend it, or remove it: arc does not need one")
	}
	kept := map[string]any{}
	for _, name := range harmless {
		if v, ok := said.Install[name]; ok {
			kept[name] = v
		}
	}
	f, err := os.CreateTemp("", "arc-bunfig-*.toml") // 0600: a registry may have its token there
	if err != nil {
		return "", nil, noConfig(err)
	}
	done = func() { os.Remove(f.Name()) }
	err = toml.NewEncoder(f).Encode(map[string]any{"install": kept})
	if err := errors.Join(err, f.Close()); err != nil {
		done()
		return "", nil, noConfig(err)
	}
	return f.Name(), done, nil
}

func noConfig(err error) error {
	return fault.Wrap(err, fault.Exhausted, "no temporary file could be written for the install").WithHint("has %s room?", os.TempDir())
}
