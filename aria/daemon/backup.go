package daemon

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// backupHead is the first file of an archive, backupTail the last: without it
// the archive was cut.
type backupHead struct {
	Backup  int       `json:"backup"` // of the form: 1
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
}

type backupTail struct {
	Files int `json:"files"`
}

// backups makes archives of the data of both daemons (docs/spec/backup.md).
type backups struct {
	cfg   Config
	db    *sql.DB
	quilt interface {
		Backup(ctx context.Context) (io.ReadCloser, error)
	}
}

// write makes one archive. The journal is copied first and the data behind the
// tokens after it: an effect that the copied journal does not hold may be in the
// copied data, where its key keeps it from being made twice; one that it does
// hold is never missing there.
func (b backups) write(ctx context.Context, to io.Writer) error {
	tmp, err := os.MkdirTemp(b.cfg.own(), "backup-")
	if err != nil {
		return fault.Wrap(err, fault.Exhausted, "the copy for the backup cannot be written").WithHint("is there as much free space as the data takes?")
	}
	defer os.RemoveAll(tmp)
	copied := filepath.Join(tmp, "aria.db")
	if _, err := b.db.ExecContext(ctx, `VACUUM INTO ?`, copied); err != nil {
		return fault.Wrap(err, fault.Exhausted, "the journal cannot be copied").WithHint("is there as much free space as the data takes?")
	}
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	a := &archive{w: tar.NewWriter(zip)}
	if err := a.json("backup.json", backupHead{1, version.Version, time.Now().UTC()}); err != nil {
		return err
	}
	if err := a.file(copied, "aria/aria.db"); err != nil {
		return err
	}
	if err := a.folder(filepath.Join(b.cfg.own(), "bundles"), "aria/bundles"); err != nil {
		return err
	}
	for _, name := range []string{"ariad.toml", "quiltd.toml", "models.toml", "policy.toml", "trust.toml"} {
		err := a.file(filepath.Join(b.cfg.Data, name), name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	if err := b.behindTokens(ctx, a); err != nil {
		return err
	}
	if err := a.json("end.json", backupTail{a.files + 1}); err != nil {
		return err
	}
	if err := a.w.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return zip.Close()
}

// behindTokens adds what quiltd gives, below quilt/.
func (b backups) behindTokens(ctx context.Context, a *archive) error {
	r, err := b.quilt.Backup(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h.Name = "quilt/" + h.Name
		if err := a.entry(h, in); err != nil {
			return err
		}
	}
}

// archive is a tar in the making.
type archive struct {
	w     *tar.Writer
	files int
}

func (a *archive) entry(h *tar.Header, from io.Reader) error {
	a.files++
	if err := a.w.WriteHeader(h); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := io.CopyN(a.w, from, h.Size); err != nil {
		return fmt.Errorf("backup of %s: %w", h.Name, err)
	}
	return nil
}

func (a *archive) json(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return a.entry(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(raw)), Mode: 0o600, ModTime: time.Now()}, strings.NewReader(string(raw)))
}

func (a *archive) file(path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: st.Size(), Mode: 0o600, ModTime: st.ModTime(), Uid: os.Getuid(), Gid: os.Getgid()}
	if !strings.HasPrefix(name, "aria/") {
		h.Mode, h.Uid, h.Gid = 0o644, 0, 0 // what the operator wrote
	}
	return a.entry(h, f)
}

func (a *archive) folder(path, name string) error {
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		err = a.file(p, name+"/"+filepath.ToSlash(rel))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		return err
	})
}
