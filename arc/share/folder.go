package share

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Folder holds a project's installed bundles: .arc/bundles/NAME-VERSION.aria.
// All of it can be fetched again with the lock file.
type Folder struct{ dir string }

// maxFile is a little above what any reader of bundles takes.
const maxFile = 65 << 20

// FolderOf the project at dir. It need not exist yet.
func FolderOf(dir string) Folder { return Folder{filepath.Join(dir, ".arc", "bundles")} }

// Path of an installed bundle.
func (f Folder) Path(e Locked) string {
	return filepath.Join(f.dir, filepath.FromSlash(e.Name)+"-"+e.Version+".aria")
}

// Read opens an installed bundle and checks that it is the one that was locked.
// One that is not there is fault.NotFound.
func (f Folder) Read(e Locked) (*bundle.Bundle, []byte, error) {
	path := f.Path(e)
	data, err := file.Read(path, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.New(fault.NotFound, "%s %s is in %s but not installed", e.Name, e.Version, LockName).WithHint("arc install")
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := bundle.Open(data)
	if err != nil || b.Digest != e.Digest {
		return nil, nil, fault.New(fault.Denied, "%s is not the bundle that %s pins", path, LockName).
			WithHint(`somebody changed it: remove the file and fetch it again with "arc install"`)
	}
	return b, data, nil
}

func (f Folder) write(e Locked, file []byte) error { return replace(f.Path(e), file) }
