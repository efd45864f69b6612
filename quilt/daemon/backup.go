package daemon

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// notInBackup are the files of quiltd's folder that no archive holds: the live
// data file, of which a copy is made; the key of the secrets, without which an
// archive that falls into wrong hands tells none; and what is under way.
var notInBackup = []string{"quilt.db", "quilt.db-wal", "quilt.db-shm", "secrets.key", "blobs/tmp", "scratch", "tmp"}

// backup writes a tar of quiltd's folder: the data as it is at one moment, and
// then the blobs, of which at least those are still there that it names.
func backup(ctx context.Context, data *store.Store, folder string, to io.Writer) error {
	tmp, err := os.MkdirTemp(folder, "tmp-backup-")
	if err != nil {
		return noRoom(err)
	}
	defer os.RemoveAll(tmp)
	copied := filepath.Join(tmp, "quilt.db")
	if err := data.Backup(ctx, copied); err != nil {
		return noRoom(err)
	}
	w := tar.NewWriter(to)
	if err := addFile(w, copied, "quilt.db"); err != nil {
		return err
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if skipped(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		err = addFile(w, path, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what went meanwhile, nobody named
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("backup of %s: %w", folder, err)
	}
	return w.Close()
}

func skipped(name string) bool {
	for _, not := range notInBackup {
		if name == not || strings.HasPrefix(name, not+"/") || strings.HasPrefix(name, "tmp-backup-") {
			return true
		}
	}
	return false
}

// addFile adds a file as long as it is now; what grows behind stays out.
func addFile(w *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Size: st.Size(), Mode: 0o600, ModTime: st.ModTime(), Uid: os.Getuid(), Gid: os.Getgid()}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(w, f, st.Size())
	return err
}

func noRoom(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	return fault.Wrap(err, fault.Exhausted, "the copy for the backup cannot be written").WithHint("is there as much free space as the data takes?")
}
