package share

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// LockName is the file beside aria.toml that pins what was installed.
const LockName = "aria.lock"

// Locked is one entry of a lock file: what a name and a range came to.
type Locked struct {
	Name    string        `toml:"name" json:"name"`
	Range   string        `toml:"range" json:"range"`
	Version string        `toml:"version" json:"version"`
	From    Place         `toml:"from" json:"from"`
	OCI     string        `toml:"oci" json:"oci"`       // digest of the OCI manifest
	Digest  bundle.Digest `toml:"digest" json:"digest"` // of the bundle
	// Signer is the public key that was trusted for it, "" where the trust file
	// let it pass unsigned.
	Signer string `toml:"signer" json:"signer"`
}

// Lock is a checked lock file: entries by name, then range, each pair once.
type Lock struct {
	Bundles []Locked
}

type lockFile struct {
	Version int      `toml:"version"`
	Bundle  []Locked `toml:"bundle"`
}

const lockVersion = 1

// ReadLock reads the lock file of a project folder; none is an empty one.
func ReadLock(dir string) (*Lock, error) {
	text, err := file.Read(filepath.Join(dir, LockName), LockName, file.Small)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{}, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseLock(string(text))
}

// ParseLock reads the text of a lock file. Unknown fields are refused: a pin
// that was mistyped must not be one that is not there.
func ParseLock(text string) (*Lock, error) {
	var f lockFile
	meta, err := toml.Decode(text, &f)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		return nil, badLock("line %d: %s", syntax.Position.Line, syntax.Message)
	case err != nil:
		return nil, badLock("%s", err)
	case len(meta.Undecoded()) > 0:
		return nil, badLock("unknown field %q", meta.Undecoded()[0].String())
	case f.Version != lockVersion:
		return nil, badLock("it is of version %d, and this arc reads version %d", f.Version, lockVersion)
	}
	l := &Lock{Bundles: f.Bundle}
	for i, e := range l.Bundles {
		if err := e.check(); err != nil {
			return nil, badLock("bundle %d (%.130s): %s", i+1, e.Name, err)
		}
		if i > 0 && compareLocked(l.Bundles[i-1], e) >= 0 {
			return nil, badLock("bundle %d (%s %s) is out of order or stands twice", i+1, e.Name, e.Range)
		}
	}
	return l, nil
}

func badLock(format string, args ...any) error {
	return fault.New(fault.Invalid, "%s: %s", LockName, fmt.Sprintf(format, args...)).
		WithHint(`take back the change to it, or remove it and install anew: "arc install NAME@RANGE --from HOST"`)
}

func (e Locked) check() error {
	r, err := bundle.ParseRange(e.Range)
	switch {
	case !bundle.ValidName(e.Name):
		return errors.New("bad name")
	case err != nil:
		return err
	case !bundle.ValidVersion(e.Version) || !r.Fits(e.Version):
		return fmt.Errorf("version %.70q is not in range %q", e.Version, e.Range)
	case !oci.ValidDigest(e.OCI) || !oci.ValidDigest(string(e.Digest)):
		return errors.New("bad digest")
	}
	if e.Signer != "" {
		if _, err := sign.ParsePublic([]byte(e.Signer)); err != nil {
			return errors.New("signer is not a public key")
		}
	}
	_, err = Locate(string(e.From), e.Name)
	return err
}

func compareLocked(a, b Locked) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Range, b.Range))
}

// Text is the file, the same for the same entries.
func (l *Lock) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by arc install; docs/spec/lock.md says what it means.\nversion = %d\n", lockVersion)
	for _, e := range l.Bundles {
		fmt.Fprintf(&b, "\n[[bundle]]\nname = %q\nrange = %q\nversion = %q\nfrom = %q\noci = %q\ndigest = %q\nsigner = %q\n",
			e.Name, e.Range, e.Version, string(e.From), e.OCI, string(e.Digest), e.Signer)
	}
	return b.String()
}

// Save writes the lock file whole or not at all.
func (l *Lock) Save(dir string) error {
	return replace(filepath.Join(dir, LockName), []byte(l.Text()))
}

// Find gives the entry of a name and range as they are written there.
func (l *Lock) Find(name, rng string) (Locked, bool) {
	i := slices.IndexFunc(l.Bundles, func(e Locked) bool { return e.Name == name && e.Range == rng })
	if i < 0 {
		return Locked{}, false
	}
	return l.Bundles[i], true
}

// Satisfying gives the entry that a reference to name@rng leads to: its own, or
// else the one with the newest version in the range.
func (l *Lock) Satisfying(name, rng string) (Locked, bool) {
	if e, ok := l.Find(name, rng); ok {
		return e, true
	}
	r, err := bundle.ParseRange(rng)
	if err != nil {
		return Locked{}, false
	}
	var best Locked
	for _, e := range l.Bundles {
		if e.Name == name && r.Fits(e.Version) && (best.Name == "" || bundle.CompareVersions(e.Version, best.Version) > 0) {
			best = e
		}
	}
	return best, best.Name != ""
}

// Leads says which bundle a reference leads to; false if nothing pins it.
func (l *Lock) Leads(r bundle.Reference) (version string, digest bundle.Digest, ok bool) {
	e, ok := l.Satisfying(r.Bundle, r.Range)
	return e.Version, e.Digest, ok
}

// newestOf is the entry of a name with the newest version.
func (l *Lock) newestOf(name string) (Locked, bool) {
	var best Locked
	for _, e := range l.Bundles {
		if e.Name == name && (best.Name == "" || bundle.CompareVersions(e.Version, best.Version) > 0) {
			best = e
		}
	}
	return best, best.Name != ""
}

// put adds an entry or replaces the one of its name and range.
func (l *Lock) put(e Locked) {
	i, found := slices.BinarySearchFunc(l.Bundles, e, compareLocked)
	if found {
		l.Bundles[i] = e
		return
	}
	l.Bundles = slices.Insert(l.Bundles, i, e)
}

// replace writes a file whole or not at all.
func replace(path string, data []byte) error {
	trouble := func(err error) error {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written", path).
			WithHint("check that the folder is yours to write and that the disk has room")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return trouble(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".arc-*")
	if err != nil {
		return trouble(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return trouble(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return trouble(err)
	}
	return nil
}

// Place gives the place that a wish ("NAME@RANGE") was fulfilled from before,
// or "".
func (l *Lock) Place(wish string) string {
	name, rng, _ := strings.Cut(wish, "@")
	if e, ok := l.Find(name, rng); ok {
		return string(e.From)
	}
	e, _ := l.newestOf(name)
	return string(e.From)
}
