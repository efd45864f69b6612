package cli

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

type backupResult struct {
	File   string  `json:"file"`
	Bytes  int64   `json:"bytes"`
	TookMS float64 `json:"tookMs"`
}

type restoreResult struct {
	Data  string    `json:"data"`
	Files int       `json:"files"`
	Time  time.Time `json:"time"` // of the backup
}

func (a *app) backupCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "backup FILE",
		Short:   "Write the data of both daemons into one archive, while they run",
		Long:    wordsBackupLong,
		GroupID: groupMore,
		Args:    want(1, 1, "the file to write"),
		RunE: func(c *cobra.Command, args []string) error {
			began := time.Now()
			n, err := a.backup(c.Context(), args[0])
			if err != nil {
				return stopped(c.Context(), err)
			}
			r := backupResult{args[0], n, float64(time.Since(began).Microseconds()) / 1000}
			return a.result(r, func(w io.Writer) {
				fmt.Fprintf(w, "backup: %s, %s, %s\n", r.File, bytesText(n), tookText(time.Since(began)))
			})
		},
	}
}

// backup writes beside the file and gives it its name when it is whole.
func (a *app) backup(ctx context.Context, file string) (int64, error) {
	client, err := a.client()
	if err != nil {
		return 0, err
	}
	if _, err := os.Lstat(file); err == nil {
		return 0, fault.New(fault.Conflict, "%s is there already", file).WithHint("a backup overwrites nothing: give it another name")
	}
	f, err := os.OpenFile(file+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fault.Wrap(err, fault.Invalid, "%s cannot be written: %s", file, reason(err))
	}
	defer os.Remove(file + ".part")
	defer f.Close()
	n, err := client.Backup(ctx, f)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, fault.Wrap(err, fault.Exhausted, "%s cannot be written: %s", file, reason(err))
	}
	return n, os.Rename(file+".part", file)
}

func (a *app) restoreCmd() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:     "restore FILE",
		Short:   "Make a data folder of an archive that arc backup wrote",
		Long:    wordsRestoreLong,
		GroupID: groupMore,
		Args:    want(1, 1, "the archive"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := restore(args[0], data)
			if err != nil {
				return err
			}
			if err := a.result(r, func(w io.Writer) {
				fmt.Fprintf(w, "restore: %s, %d files of %s\n", r.Data, r.Files, r.Time.Local().Format(time.DateTime))
			}); err != nil {
				return err
			}
			a.note("the key of the secrets is in no archive: put it at %s (mode 0600, of quiltd's user),\nor set them again; then: ariad up --data %s", filepath.Join(data, "quilt", "secrets.key"), data)
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", "", "the data `folder` to make; it must not be there")
	return c
}

// restore unpacks beside the folder and gives it its name when all is there.
func restore(file, data string) (restoreResult, error) {
	if data == "" {
		return restoreResult{}, fault.New(fault.Invalid, "arc restore needs a folder to make").WithHint("arc restore %s --data DIR", file)
	}
	if names, err := os.ReadDir(data); err == nil && len(names) > 0 {
		return restoreResult{}, fault.New(fault.Conflict, "%s is not empty", data).WithHint("restore into a fresh folder, and start the daemons with --data")
	}
	f, err := os.Open(file)
	if err != nil {
		return restoreResult{}, fault.Wrap(err, fault.Invalid, "%s cannot be read: %s", file, reason(err))
	}
	defer f.Close()
	part := filepath.Clean(data) + ".part"
	if err := os.RemoveAll(part); err != nil {
		return restoreResult{}, unwritable(part, err)
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return restoreResult{}, unwritable(part, err)
	}
	defer os.RemoveAll(part)
	r, err := unpack(f, part)
	if err != nil {
		return r, err
	}
	if err := os.Remove(data); err != nil && !os.IsNotExist(err) {
		return r, unwritable(data, err)
	}
	if err := os.Rename(part, data); err != nil {
		return r, unwritable(data, err)
	}
	r.Data = data
	return r, nil
}

func unwritable(path string, err error) error {
	return fault.Wrap(err, fault.Invalid, "%s cannot be made: %s", path, reason(err))
}

func unpack(from io.Reader, to string) (restoreResult, error) {
	var r restoreResult
	zip, err := gzip.NewReader(from)
	if err != nil {
		return r, notBackup(err)
	}
	in := tar.NewReader(zip)
	var head struct {
		Backup int
		Time   time.Time
	}
	var tail struct{ Files int }
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, notBackup(err)
		}
		r.Files++
		switch {
		case r.Files == 1 && h.Name == "backup.json":
			err = json.NewDecoder(io.LimitReader(in, 4096)).Decode(&head)
		case h.Name == "end.json":
			err = json.NewDecoder(io.LimitReader(in, 4096)).Decode(&tail)
		case h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name):
			err = fmt.Errorf("entry %q", h.Name)
		default:
			err = unpackFile(in, h, to)
		}
		if err != nil {
			return r, notBackup(err)
		}
	}
	if head.Backup != 1 || tail.Files != r.Files {
		return r, notBackup(fmt.Errorf("%d of %d files", r.Files, tail.Files))
	}
	r.Time = head.Time
	return r, nil
}

func notBackup(err error) error {
	return fault.Wrap(err, fault.Invalid, "this is no whole backup").WithHint("it was cut, or arc backup did not write it")
}

// unpackFile writes one file durably, with the owner that it had if we may.
func unpackFile(in io.Reader, h *tar.Header, to string) error {
	path := filepath.Join(to, filepath.FromSlash(h.Name))
	for dir, missing := filepath.Dir(path), []string{}; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			for i := len(missing) - 1; i >= 0; i-- {
				if err := os.Mkdir(missing[i], 0o700); err != nil {
					return err
				}
				own(missing[i], h)
			}
			break
		}
		missing = append(missing, dir)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(h.Mode&0o644))
	if err != nil {
		return err
	}
	own(path, h)
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close())
}

// own gives a file to the daemon that it belongs to; who is not root keeps it.
func own(path string, h *tar.Header) {
	if os.Geteuid() == 0 {
		_ = os.Lchown(path, h.Uid, h.Gid) // the daemon says it if it cannot read it
	}
}
