package project

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Files are the source files of the project, slash-separated and relative to
// Dir, sorted. By default every .ts under src/, or under the root where there
// is no src/; with Entry, what its globs match. Never node_modules, dist,
// hidden folders, *.test.ts or *.d.ts. None at all is fault.Invalid.
func (p *Project) Files() ([]string, error) {
	globs := p.Entry
	if len(globs) == 0 {
		globs = []string{"**/*.ts"}
		if info, err := os.Stat(filepath.Join(p.Dir, "src")); err == nil && info.IsDir() {
			globs = []string{"src/**/*.ts"}
		}
	}
	all, err := p.sources()
	if err != nil {
		return nil, err
	}
	hits := make([]int, len(globs))
	var files []string
	for _, f := range all {
		matched := false
		for i, g := range globs {
			if matchGlob(g, f) {
				hits[i]++
				matched = true
			}
		}
		if matched {
			files = append(files, f)
		}
	}
	for i, g := range globs {
		if hits[i] == 0 {
			return nil, p.noFiles(g)
		}
	}
	return files, nil
}

func (p *Project) noFiles(glob string) error {
	if len(p.Entry) == 0 {
		folder := strings.TrimSuffix(glob, "**/*.ts")
		return fault.New(fault.Invalid, "no TypeScript file in %s", filepath.Join(p.Dir, folder)).
			WithHint("write a unit in src/hello.ts, or name your files with \"entry\" in %s", FileName)
	}
	return fault.New(fault.Invalid, "%s: entry %q matches no file", FileName, glob).
		WithHint("tests (*.test.ts), declarations (*.d.ts), node_modules, dist and hidden folders never count")
}

// sources are all candidate files, sorted as whole paths: the walk sorts only
// within a folder, and the order decides the bytes of the bundle.
func (p *Project) sources() ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(p.Dir), ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			hidden := at != "." && strings.HasPrefix(base, ".")
			if hidden || base == "node_modules" || at == "dist" {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && isSource(base) {
			files = append(files, at)
			return checkSize(d, at)
		}
		return nil
	})
	if _, ok := fault.As(err); ok {
		return nil, err
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "project folder %s cannot be read", p.Dir)
	}
	slices.Sort(files)
	return files, nil
}

// maxSource is far above what anybody writes: the whole of it is parsed in memory.
const maxSource = 16 << 20

func checkSize(d fs.DirEntry, at string) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Size() > maxSource {
		return fault.New(fault.Invalid, "%s is larger than %d MiB, more than arc compiles of one file", at, maxSource>>20).
			WithHint("move the data out of the code, or leave the file out with \"entry\" in %s", FileName)
	}
	return nil
}

func isSource(base string) bool {
	for _, end := range []string{".test.ts", ".spec.ts", ".d.ts"} {
		if strings.HasSuffix(base, end) {
			return false
		}
	}
	return strings.HasSuffix(base, ".ts") && !strings.HasPrefix(base, ".")
}

// checkGlob says what is wrong with a glob, "" for nothing.
func checkGlob(glob string) string {
	if glob == "" {
		return "is empty"
	}
	if strings.Contains(glob, "\\") || path.IsAbs(glob) {
		return "is not a relative path with slashes"
	}
	for _, part := range strings.Split(glob, "/") {
		if part == ".." {
			return "leaves the project"
		}
		if _, err := path.Match(part, "x"); err != nil {
			return "is not a well-formed glob"
		}
	}
	if !strings.HasSuffix(glob, ".ts") && !strings.HasSuffix(glob, "*") {
		return "names no .ts file"
	}
	return ""
}

// matchGlob matches a slash-separated path: "**" stands for any number of
// folders, everything else as path.Match within one.
func matchGlob(glob, file string) bool {
	return matchParts(strings.Split(path.Clean(glob), "/"), strings.Split(file, "/"))
}

func matchParts(glob, file []string) bool {
	for len(glob) > 0 {
		if glob[0] == "**" {
			for skip := 0; skip <= len(file); skip++ {
				if matchParts(glob[1:], file[skip:]) {
					return true
				}
			}
			return false
		}
		if len(file) == 0 {
			return false
		}
		if ok, _ := path.Match(glob[0], file[0]); !ok {
			return false
		}
		glob, file = glob[1:], file[1:]
	}
	return len(file) == 0
}
