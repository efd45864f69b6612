package project

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sdk"
)

// WriteModules writes the SDK's code into dir, and a module that puts it in the
// place of @aria/sdk and @aria/sdk/testing when Bun is started with it as a
// preload. It gives the path of that module.
func WriteModules(dir string) (preload string, err error) {
	for name, text := range map[string]string{
		"sdk.js": sdk.Runtime(), "testing.js": sdk.Testing(), "preload.js": preloadModule,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", fault.Wrap(err, fault.Unavailable, "%s cannot be written", filepath.Join(dir, name))
		}
	}
	return filepath.Join(dir, "preload.js"), nil
}

const preloadModule = `import * as sdk from './sdk.js';
import * as testing from './testing.js';
Bun.plugin({
  name: 'aria',
  setup(build) {
    build.module('@aria/sdk', () => ({ exports: sdk, loader: 'object' }));
    build.module('@aria/sdk/testing', () => ({ exports: testing, loader: 'object' }));
  },
});
`

var testFile = regexp.MustCompile(`[._](test|spec)\.(ts|tsx|js|jsx|mts|mjs)$`)

// Tests are the project's test files, relative to Dir, sorted.
func (p *Project) Tests() ([]string, error) {
	var out []string
	err := filepath.WalkDir(p.Dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if at != p.Dir && (name == "node_modules" || name == "dist" || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if testFile.MatchString(name) {
			rel, err := filepath.Rel(p.Dir, at)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the folder of %s cannot be read", p.Name)
	}
	slices.Sort(out)
	return out, nil
}
