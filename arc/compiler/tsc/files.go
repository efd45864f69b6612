package arctsc

import (
	"path"

	"github.com/microsoft/typescript-go/internal/vfs"
)

// overlay is a file system with some files that are on no disk. They hide files
// of the same name, so that the SDK's types are always those of this arc.
type overlay struct {
	vfs.FS
	files map[string]string
	dirs  map[string]bool
}

func newOverlay(base vfs.FS, files map[string]string) *overlay {
	o := &overlay{FS: base, files: files, dirs: map[string]bool{}}
	for f := range files {
		for d := path.Dir(f); d != "/" && d != "."; d = path.Dir(d) {
			o.dirs[d] = true
		}
	}
	return o
}

func (o *overlay) FileExists(p string) bool {
	_, ok := o.files[p]
	return ok || o.FS.FileExists(p)
}

func (o *overlay) ReadFile(p string) (string, bool) {
	if s, ok := o.files[p]; ok {
		return s, true
	}
	return o.FS.ReadFile(p)
}

func (o *overlay) DirectoryExists(p string) bool { return o.dirs[p] || o.FS.DirectoryExists(p) }

func (o *overlay) Realpath(p string) string {
	if _, ok := o.files[p]; ok {
		return p
	}
	return o.FS.Realpath(p)
}
