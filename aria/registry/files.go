package registry

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

const tempPrefix = ".incoming-"

func (r *Registry) path(d bundle.Digest) string {
	return filepath.Join(r.dir, strings.Replace(string(d), ":", "-", 1))
}

// write puts data at path so that after any crash there is the whole file or none.
func write(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// sweep removes what a crash in the middle of write left behind.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	for _, f := range left {
		os.Remove(f)
	}
}

// disk turns a failed write into what a person reads: a full disk is theirs to
// mend, all else is ours.
func disk(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), "disk is full") {
		return fault.Wrap(err, fault.Exhausted, format+": the disk is full", args...).
			WithHint("free some space in the data folder and try again")
	}
	return fault.Wrap(err, fault.Internal, format, args...).WithHint("see the log of ariad")
}
