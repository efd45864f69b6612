// Package packages sees to it that the npm packages a project names in its
// package.json lie in node_modules, in the versions of its lock file: bun.lock
// or package-lock.json. What is missing it lets the pinned Bun install, frozen
// and without install scripts, from the registry of the user's own npm
// configuration. It runs no code of a package, changes no package.json, and does
// nothing at all in a project that has none.
package packages

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json" // names are told apart by case, and stand once

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Request is one project that is about to be built.
type Request struct {
	Dir string // absolute, holds package.json
	// Frozen demands a lock file, and refuses to make one.
	Frozen bool
	Env    func(string) string
	// Note is told in one line what is installed, before it happens.
	Note func(format string, args ...any)
}

// sdk is part of arc and never installed.
const sdk = "@aria/sdk"

// Ensure returns when every declared package is there. What the author can mend
// is fault.Invalid, a registry or a disk that fails fault.Unavailable.
func Ensure(ctx context.Context, r Request) error {
	want, err := declared(r.Dir)
	if err != nil || len(want) == 0 {
		return err
	}
	l, err := ReadLock(r.Dir)
	if err != nil {
		return err
	}
	if r.Frozen && l == nil {
		return fault.New(fault.Invalid, "package.json names %s, but there is no lock file that says which versions", text(want)).
			WithHint(`make one with "bun install" or "npm install", and keep it beside package.json`)
	}
	gone := missing(r.Dir, want, l)
	if len(gone) == 0 {
		return nil
	}
	if foreign := foreignLock(r.Dir); l == nil && foreign != "" {
		return fault.New(fault.Invalid, "%s not in node_modules, and %s is a lock file that arc does not read", are(gone), foreign).
			WithHint("install them with the tool that wrote it; arc takes what it finds in node_modules")
	}
	if err := install(ctx, r, l, gone); err != nil {
		return err
	}
	if l, err = ReadLock(r.Dir); err != nil {
		return err
	}
	if gone = missing(r.Dir, want, l); len(gone) > 0 {
		return fault.New(fault.Invalid, "%s still not in node_modules%s after an install", are(gone), l.versions()).
			WithHint(`package.json and its lock file disagree: run "bun install" and look at what it says`)
	}
	return nil
}

// Missing are the declared packages that are not there, or in another version
// than the lock file's.
func Missing(dir string) ([]string, error) {
	want, err := declared(dir)
	if err != nil || len(want) == 0 {
		return nil, err
	}
	l, err := ReadLock(dir)
	if err != nil {
		return nil, err
	}
	return missing(dir, want, l), nil
}

// declared are the names in package.json that must be there, sorted. A missing
// package.json is none.
func declared(dir string) ([]string, error) {
	raw, err := file.Read(filepath.Join(dir, "package.json"), "package.json", file.Small)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p struct {
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "package.json is not a package.json: %v", err).
			WithHint(`"dependencies" maps names to version ranges: { "dependencies": { "zod": "^4.0.0" } }`)
	}
	var names []string
	for _, m := range []map[string]string{p.Dependencies, p.DevDependencies} {
		for name := range m {
			if !wellNamed(name) {
				return nil, fault.New(fault.Invalid, "package.json: %q is not the name of a package", name).WithHint(`a name reads "zod" or "@scope/zod"`)
			}
			if name != sdk && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// wellNamed keeps a name from leading out of node_modules.
func wellNamed(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts) > 2 || len(parts) == 2 && !strings.HasPrefix(name, "@") || strings.Contains(name, "\\") {
		return false
	}
	return !slices.ContainsFunc(parts, func(p string) bool { return p == "" || p[0] == '.' || p == "@" })
}

// missing are the names that are not in a node_modules from dir upward, or are
// there in another version than the lock file's.
func missing(dir string, names []string, l *Lock) []string {
	var out []string
	for _, name := range names {
		have, ok := installed(dir, name)
		if want := l.version(name); !ok || want != "" && have != want {
			out = append(out, name)
		}
	}
	return out
}

func installed(dir, name string) (version string, ok bool) {
	for at := dir; ; at = filepath.Dir(at) {
		raw, err := file.Read(filepath.Join(at, "node_modules", filepath.FromSlash(name), "package.json"), name+"/package.json", file.Small)
		var p struct {
			Version string `json:"version"`
		}
		if err == nil && json.Unmarshal(raw, &p) == nil {
			return p.Version, true
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}

func text(names []string) string {
	if len(names) > 8 {
		names = append(slices.Clone(names[:8]), "…")
	}
	return strings.Join(names, ", ")
}

func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return text(names) + " are"
}
