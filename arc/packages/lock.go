package packages

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Lock is what a lock file says: which versions a project runs with.
type Lock struct {
	File string            // "bun.lock" or "package-lock.json"
	top  map[string]string // name to version, of what lies in the project's own node_modules
	all  map[string]bool   // "name@version" of everything
}

// readers are the lock files that are read; the first that exists counts.
var readers = []struct {
	file string
	read func([]byte, *Lock) bool
}{
	{"bun.lock", readBun},
	{"package-lock.json", readNPM},
}

// foreignLocks belong to tools whose lock files Bun would have to convert.
var foreignLocks = []string{"yarn.lock", "pnpm-lock.yaml", "bun.lockb"}

// ReadLock reads the lock file in dir, nil if there is none. One that cannot be
// understood is fault.Invalid.
func ReadLock(dir string) (*Lock, error) {
	for _, r := range readers {
		raw, err := file.Read(filepath.Join(dir, r.file), r.file, file.Large)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l := &Lock{File: r.file, top: map[string]string{}, all: map[string]bool{}}
		if !r.read(raw, l) {
			return nil, fault.New(fault.Invalid, "%s is no lock file that arc understands", r.file).
				WithHint(`make it anew with "bun install" or "npm install"`)
		}
		return l, nil
	}
	return nil, nil
}

// Holds tells whether the lock file names that version of a package.
func (l *Lock) Holds(name, version string) bool { return l != nil && l.all[name+"@"+version] }

// version is the one that must lie in the project's node_modules, "" if the lock
// file does not say: links and folders have none.
func (l *Lock) version(name string) string {
	if l == nil {
		return ""
	}
	return l.top[name]
}

// bunLine is one package of a bun.lock, which has each on a line of its own:
// "zod": ["zod@4.0.0", …
var bunLine = regexp.MustCompile(`(?m)^\s+"([^"]+)": \["(@?[^"@]+)@([^"]+)"`)

// versions says for a sentence which versions are meant.
func (l *Lock) versions() string {
	if l == nil {
		return ""
	}
	return " in the version of " + l.File
}

func readBun(raw []byte, l *Lock) bool {
	for _, m := range bunLine.FindAllSubmatch(raw, -1) {
		l.add(string(m[1]), string(m[2]), string(m[3]))
	}
	return strings.Contains(string(raw), `"lockfileVersion"`)
}

func readNPM(raw []byte, l *Lock) bool {
	var f struct {
		LockfileVersion int `json:"lockfileVersion"`
		Packages        map[string]struct {
			Name    string `json:"name"` // of an alias only
			Version string `json:"version"`
			Link    bool   `json:"link"`
		} `json:"packages"`
	}
	if json.Unmarshal(raw, &f) != nil || f.LockfileVersion < 2 {
		return false
	}
	const modules = "node_modules/"
	for at, p := range f.Packages {
		i := strings.LastIndex(at, modules)
		if i < 0 || p.Link {
			continue
		}
		name := at[i+len(modules):]
		key := strings.ReplaceAll(at, "/"+modules, "/")
		l.add(strings.TrimPrefix(key, modules), name, p.Version)
	}
	return true
}

// add takes one package: key is its path through node_modules, which for what
// lies on top is its name.
func (l *Lock) add(key, name, version string) {
	if version == "" || version[0] < '0' || version[0] > '9' {
		return // a link, a folder, a git commit
	}
	l.all[name+"@"+version] = true
	if key == name {
		l.top[name] = version
	}
}

func foreignLock(dir string) string {
	for _, f := range foreignLocks {
		if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
			return f
		}
	}
	return ""
}
