// Package project knows a project on disk: aria.toml, which source files
// belong to it, and what a new one looks like. It reads no TypeScript and
// builds nothing.
package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// FileName is the file whose folder is the root of a project.
const FileName = "aria.toml"

// Project is a checked aria.toml.
type Project struct {
	Dir         string // absolute path of the root
	Name        string // "orders" or "acme/orders"
	Version     string // semantic version
	Description string
	Entry       []string // globs, slash-separated, relative to Dir; empty: the default
	// Allow are modules of the platform that the project declares it needs:
	// [allow] imports. Which ones need it is the compiler's to say.
	Allow []string
	// Reflect is [build] reflect: schemas that are values may be read by running
	// the project's code in a sandbox.
	Reflect bool
	// Overrides are the [units."name"] tables: unit, option, value. Keys are
	// known options; whether an option suits the unit is the compiler's to say.
	Overrides map[string]map[string]any
}

// Load finds the project that dir lies in and reads its aria.toml. What is
// wrong with the file is fault.Invalid with line and column in the message; no
// project at all is fault.NotFound.
func Load(dir string) (*Project, error) {
	root, err := Find(dir)
	if err != nil {
		return nil, err
	}
	text, err := file.Read(filepath.Join(root, FileName), filepath.Join(root, FileName), file.Small)
	if err != nil {
		return nil, err
	}
	p, err := Parse(string(text))
	if err != nil {
		return nil, err
	}
	p.Dir = root
	return p, nil
}

// Find walks from dir upward to the folder that holds aria.toml.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "folder %q cannot be resolved", dir)
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.New(fault.NotFound, "folder %q does not exist", dir).
			WithHint(`give the folder of a project, or make one with "arc new NAME"`)
	case err != nil:
		return "", fault.Wrap(err, fault.Invalid, "folder %q cannot be read", dir)
	case !info.IsDir():
		return "", fault.New(fault.Invalid, "%q is a file, not a project folder", dir).
			WithHint("give the folder that holds %s", FileName)
	}
	for at := abs; ; at = filepath.Dir(at) {
		if info, err := os.Stat(filepath.Join(at, FileName)); err == nil && info.Mode().IsRegular() {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fault.New(fault.NotFound, "no %s in %q or any folder above it", FileName, dir).
				WithHint(`go to a project folder, or make one with "arc new NAME"`)
		}
	}
}
