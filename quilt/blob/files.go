package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// files are the contents on disk: TENANT/aa/SHA256 below the folder, and what is
// under way in tmp.
type files struct {
	data   Data
	folder string
	log    *slog.Logger

	mu   sync.Mutex
	pins map[string]int // files that are about to get a name
}

func openFiles(data Data, folder string, log *slog.Logger) (*files, error) {
	tmp := filepath.Join(folder, "tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return nil, diskError(err)
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, diskError(err)
	}
	f := &files{data: data, folder: folder, log: log, pins: map[string]int{}}
	go f.sweep()
	return f, nil
}

func (f *files) temporary() (*os.File, error) {
	file, err := os.CreateTemp(filepath.Join(f.folder, "tmp"), "up")
	return file, diskError(err)
}

// tenantFolder: names of tenants are letters, digits, - _ and .; a leading
// letter keeps them apart from tmp and from dots.
func tenantFolder(tenant string) string { return "t" + "-" + tenant }

func shaOf(file string) string { return filepath.Base(file) }

// place moves a finished file to where its content belongs, durably, and pins it
// there until unpin. Where the content is already, it is left.
func (f *files) place(from *os.File, tenant, sum string) (string, error) {
	if err := from.Sync(); err != nil {
		return "", diskError(fmt.Errorf("sync a blob: %w", err))
	}
	name := filepath.Join(tenantFolder(tenant), sum[:2], sum)
	path := filepath.Join(f.folder, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := os.Lstat(path); err == nil {
		f.pins[name]++
		return name, nil
	}
	if err := f.makeDir(filepath.Dir(path)); err != nil {
		return "", diskError(err)
	}
	if err := os.Rename(from.Name(), path); err != nil {
		return "", diskError(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", diskError(fmt.Errorf("sync a blob's folder: %w", err))
	}
	f.pins[name]++
	return name, nil
}

// makeDir makes a folder below ours, durably: those above it know it on disk.
func (f *files) makeDir(dir string) error {
	if _, err := os.Lstat(dir); err == nil || dir == f.folder {
		return err
	}
	if err := f.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// unpin ends what place began. If nothing came of it, the file goes.
func (f *files) unpin(name string) {
	f.mu.Lock()
	f.pins[name]--
	if f.pins[name] == 0 {
		delete(f.pins, name)
	}
	f.mu.Unlock()
	var used bool
	err := f.data.Reader().QueryRow(`select exists (select 1 from blob_name where file = ?)`, name).Scan(&used)
	if err == nil && !used {
		f.collect(name)
	}
}

// release removes files that no name had when the change was made. It runs in
// the order of the changes: a name that came later has its file pinned still.
func (f *files) release(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		if f.pins[name] > 0 {
			continue
		}
		if err := os.Remove(filepath.Join(f.folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.log.Warn("a blob without a name stays for now", "err", err)
		}
	}
}

// collect removes a file if no name has it, in the order of the changes.
func (f *files) collect(name string) {
	var free []string
	_, err := f.data.Change(context.Background(), store.Change{
		Do: func(tx *store.Tx) (any, error) {
			var err error
			free, err = unused(tx, name)
			return nil, err
		},
		Then: func() { f.release(free) },
	})
	if err != nil {
		f.log.Warn("a blob without a name stays for now", "err", err)
	}
}

// sweep removes what a crash left between the file and its name.
func (f *files) sweep() {
	err := filepath.WalkDir(f.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "tmp" && path == filepath.Join(f.folder, "tmp") {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(f.folder, path)
		if err != nil || !strings.HasPrefix(name, "t-") {
			return nil
		}
		var used bool
		if err := f.data.Reader().QueryRow(`select exists (select 1 from blob_name where file = ?)`, name).Scan(&used); err != nil {
			return fs.SkipAll
		}
		if !used {
			f.collect(name)
		}
		return nil
	})
	if err != nil {
		f.log.Warn("sweep of the blobs", "err", err)
	}
}

// read returns a piece of a file.
func (f *files) read(name string, at, length int64) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.folder, name))
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	defer file.Close()
	buf := make([]byte, length)
	n, err := file.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return buf[:n], nil
}

func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.Exhausted, "the disk of the data folder is full").WithHint("free some space and try again; nothing was half written")
	}
	return err
}
