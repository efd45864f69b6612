// Package registry keeps the bundles that were taken in and knows their units
// by name. Files lie content-addressed under one folder, the index is in SQLite;
// whatever Add has answered with is on disk. It runs nothing, keeps no runs and
// trusts no bundle: every read checks the hashes again.
//
// Locks: Registry.adding, then Registry.mu.
package registry

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Mode says how a bundle was taken in.
type Mode string

const (
	Register Mode = "register" // its units stand in the global registries
	Isolated Mode = "isolated" // its units resolve by digest only
)

// Bundle is one held bundle.
type Bundle struct {
	Digest   bundle.Digest
	Name     string
	Version  string
	Mode     Mode
	Size     int64 // bytes of the .aria file
	Uploaded time.Time
	Manifest *bundle.Manifest // shared: never change it
}

// Registry is safe for use by many goroutines.
type Registry struct {
	db  *sql.DB
	dir string
	log *slog.Logger

	trustFile string // "": every sound bundle is taken in

	adding sync.Mutex // one Add at a time: check, write, index

	mu     sync.RWMutex
	held   map[bundle.Digest]*Bundle
	opened map[bundle.Digest]*bundle.Bundle // a few, verified

	changed []func() // see OnChange
}

const schema = `CREATE TABLE IF NOT EXISTS bundles (
	digest TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, mode TEXT NOT NULL,
	size INTEGER NOT NULL, uploaded INTEGER NOT NULL, manifest BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS registered ON bundles (name, version) WHERE mode = 'register';`

// New opens the registry whose index is in db and whose files are under dir,
// which it makes if need be.
func New(db *sql.DB, dir string, log *slog.Logger) (*Registry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("bundle folder: %w", err)
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, fmt.Errorf("bundle index: %w", err)
	}
	r := &Registry{db: db, dir: dir, log: log,
		held: map[bundle.Digest]*Bundle{}, opened: map[bundle.Digest]*bundle.Bundle{}}
	sweep(dir)
	return r, r.load()
}

// OnChange has f called, from then on, after a bundle was taken in or removed. f
// must not wait. Call it before the registry is in use.
func (r *Registry) OnChange(f func()) { r.changed = append(r.changed, f) }

func (r *Registry) tellChange() {
	for _, f := range r.changed {
		f()
	}
}

func (r *Registry) load() error {
	rows, err := r.db.Query(`SELECT digest, name, version, mode, size, uploaded, manifest FROM bundles`)
	if err != nil {
		return fmt.Errorf("bundle index: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b Bundle
		var ms int64
		var manifest []byte
		if err := rows.Scan(&b.Digest, &b.Name, &b.Version, &b.Mode, &b.Size, &ms, &manifest); err != nil {
			return fmt.Errorf("bundle index: %w", err)
		}
		b.Uploaded = time.UnixMilli(ms)
		b.Manifest = new(bundle.Manifest)
		if err := json.Unmarshal(manifest, b.Manifest); err != nil {
			return fmt.Errorf("manifest of %s: %w", b.Digest, err)
		}
		r.held[b.Digest] = &b
	}
	return rows.Err()
}

// Add takes in one .aria file. The same bytes again answer with held = true and
// change nothing, but for an isolated bundle that is now to be registered.
// Errors: Invalid (not a sound bundle, or it asks for what this build does not
// serve), Denied (not signed as the trust file requires), Conflict (name@version is registered with other bytes), Exhausted.
func (r *Registry) Add(ctx context.Context, data []byte, mode Mode) (b Bundle, held bool, err error) {
	return r.add(ctx, data, mode, func(*bundle.Manifest) error { return nil })
}

// AddAgreed is Add where somebody must have agreed to what a new version may do
// beyond the registered one: accept has it, by name. Denied otherwise.
func (r *Registry) AddAgreed(ctx context.Context, data []byte, mode Mode, accept []string) (b Bundle, held bool, err error) {
	return r.add(ctx, data, mode, func(m *bundle.Manifest) error { return r.consent(m, accept) })
}

func (r *Registry) add(ctx context.Context, data []byte, mode Mode, agreed func(*bundle.Manifest) error) (b Bundle, held bool, err error) {
	if mode == "" {
		mode = Register
	}
	if mode != Register && mode != Isolated {
		return Bundle{}, false, fault.New(fault.Invalid, "unknown intake mode %q", mode).
			WithHint(`use "register" or "isolated"`)
	}
	opened, err := r.check(data)
	if err != nil {
		return Bundle{}, false, err
	}
	r.adding.Lock()
	defer r.adding.Unlock()

	old := r.find(opened.Digest)
	if old != nil {
		if old, err = r.countersign(ctx, old, opened, data); err != nil {
			return Bundle{}, false, disk(err, "the signatures of %s@%s could not be stored", opened.Manifest.Name, opened.Manifest.Version)
		}
	}
	if old != nil && (old.Mode == mode || old.Mode == Register) {
		return *old, true, nil
	}
	if mode == Register {
		if err := r.free(opened); err != nil {
			return Bundle{}, false, err
		}
		if err := agreed(opened.Manifest); err != nil {
			return Bundle{}, false, err
		}
	}
	nb := &Bundle{Digest: opened.Digest, Name: opened.Manifest.Name, Version: opened.Manifest.Version,
		Mode: mode, Size: int64(len(data)), Uploaded: time.Now(), Manifest: opened.Manifest}
	if old != nil {
		nb.Uploaded, nb.Size = old.Uploaded, old.Size
	} else if err := write(r.path(nb.Digest), data); err != nil {
		return Bundle{}, false, disk(err, "bundle %s@%s could not be stored", nb.Name, nb.Version)
	}
	if err := r.index(ctx, nb, opened); err != nil {
		return Bundle{}, false, disk(err, "bundle %s@%s could not be stored", nb.Name, nb.Version)
	}
	r.mu.Lock()
	r.held[nb.Digest] = nb
	r.mu.Unlock()
	r.tellChange()
	r.log.Info("bundle taken in", "bundle", nb.Digest, "name", nb.Name, "version", nb.Version, "mode", nb.Mode)
	return *nb, old != nil, nil
}

// check opens a bundle that nobody vouched for yet.
func (r *Registry) check(data []byte) (*bundle.Bundle, error) {
	b, err := bundle.Open(data)
	if err != nil {
		return nil, err
	}
	if err := foreign(b.Manifest); err != nil {
		return nil, err
	}
	if err := admit(b.Manifest); err != nil {
		return nil, err
	}
	return b, r.trusted(b)
}

func (r *Registry) index(ctx context.Context, b *Bundle, opened *bundle.Bundle) error {
	_, err := r.db.ExecContext(ctx, `INSERT INTO bundles VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (digest) DO UPDATE SET mode = excluded.mode`,
		b.Digest, b.Name, b.Version, b.Mode, b.Size, b.Uploaded.UnixMilli(), opened.ManifestJSON())
	return err
}

// free says whether the bundle's name@version is not taken by other bytes.
func (r *Registry) free(b *bundle.Bundle) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, h := range r.held {
		if h.Mode == Register && h.Name == b.Manifest.Name && h.Version == b.Manifest.Version && h.Digest != b.Digest {
			return fault.New(fault.Conflict, "%s@%s is already registered with other contents", h.Name, h.Version).
				WithHint("raise the version in aria.toml and build again, or upload it isolated")
		}
	}
	return nil
}

func (r *Registry) find(d bundle.Digest) *Bundle {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.held[d]
}

// Get answers with the bundle of that digest, or NotFound.
func (r *Registry) Get(d bundle.Digest) (Bundle, error) {
	if b := r.find(d); b != nil {
		return *b, nil
	}
	return Bundle{}, fault.New(fault.NotFound, "no bundle %s is held here", d).WithHint("see arc ls bundles")
}

// Manifest is manifest.json of a held bundle, byte for byte as packed.
func (r *Registry) Manifest(ctx context.Context, d bundle.Digest) ([]byte, error) {
	if _, err := r.Get(d); err != nil {
		return nil, err
	}
	var raw []byte
	err := r.db.QueryRowContext(ctx, `SELECT manifest FROM bundles WHERE digest = ?`, d).Scan(&raw)
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", d, err)
	}
	return bytes.Clone(raw), nil
}

// Open reads a held bundle's file and checks it. The answer is shared.
func (r *Registry) Open(d bundle.Digest) (*bundle.Bundle, error) {
	r.mu.RLock()
	b := r.opened[d]
	r.mu.RUnlock()
	if b != nil {
		return b, nil
	}
	data, err := os.ReadFile(r.path(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(err, fault.NotFound, "the file of bundle %s is gone", d).WithHint("upload the bundle again")
	}
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", d, err)
	}
	if b, err = bundle.Open(data); err != nil || b.Digest != d {
		return nil, fault.Wrap(err, fault.Internal, "the stored file of bundle %s is damaged", d).
			WithHint("check the disk, then upload the bundle again")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.opened) >= maxOpened {
		clear(r.opened)
	}
	r.opened[d] = b
	return b, nil
}

// maxOpened bounds the memory of verified bundles kept at hand.
const maxOpened = 8
