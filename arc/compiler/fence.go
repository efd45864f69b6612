package compiler

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// fence keeps files out of a bundle that lie neither in the project nor in a
// package. A link, or an import with a path in somebody's package, could
// otherwise carry a credential of the author's into what the author publishes.
type fence struct {
	dir string // of the project, its real place

	mu    sync.Mutex
	roots []string // where packages lie that are outside dir
}

// guard asks for every file that the bundler is about to read, by its real place.
func (f *fence) guard(b api.PluginBuild) {
	b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "file"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		if f.holds(a.Path) {
			return api.OnLoadResult{}, nil // the bundler reads it
		}
		return api.OnLoadResult{Errors: []api.Message{{
			Text: a.Path + " is imported but " + wordsOutside, Detail: refusal{"ARC4005", hintOutside},
		}}}, nil
	})
}

const (
	wordsOutside = "lies outside the project"
	hintOutside  = "move it into the project, or make it a package"
)

func (f *fence) holds(file string) bool {
	if under(f.dir, file) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 2 { // what was linked since the last look is found by the second
		for _, root := range f.roots {
			if under(root, file) {
				return true
			}
		}
		f.look()
	}
	return false
}

// look finds the packages: the node_modules folders of the project and of the
// folders above it, and what is linked into them, which may have its own.
func (f *fence) look() {
	f.roots = nil
	seen := map[string]bool{}
	for dir := f.dir; ; dir = filepath.Dir(dir) {
		f.modules(filepath.Join(dir, "node_modules"), seen)
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// modules takes a node_modules folder in, if there is one.
func (f *fence) modules(dir string, seen map[string]bool) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || seen[real] {
		return
	}
	seen[real] = true
	f.roots = append(f.roots, real)
	entries, err := os.ReadDir(real)
	if err != nil {
		return
	}
	for _, e := range entries {
		at := filepath.Join(real, e.Name())
		if !strings.HasPrefix(e.Name(), "@") || !e.IsDir() {
			f.linked(at, e, seen)
			continue
		}
		scope, err := os.ReadDir(at)
		if err != nil {
			continue
		}
		for _, s := range scope {
			f.linked(filepath.Join(at, s.Name()), s, seen)
		}
	}
}

// linked takes a package in that a workspace or "link" has put there. A link to
// any other folder makes no package of it.
func (f *fence) linked(at string, e os.DirEntry, seen map[string]bool) {
	if e.Type()&os.ModeSymlink == 0 {
		return
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil || seen[real] {
		return
	}
	seen[real] = true
	if info, err := os.Stat(filepath.Join(real, "package.json")); err != nil || !info.Mode().IsRegular() {
		return
	}
	f.roots = append(f.roots, real)
	f.modules(filepath.Join(real, "node_modules"), seen)
	for dir := filepath.Dir(real); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "node_modules" { // a store: what it needs lies beside it
			f.modules(dir, seen)
			return
		}
	}
}

// under: file is dir or lies in it.
func under(dir, file string) bool {
	rest, ok := strings.CutPrefix(file, dir)
	return ok && (rest == "" || dir == "/" || rest[0] == filepath.Separator)
}
