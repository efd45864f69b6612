// Package keys keeps the author's signing keys in the configuration folder:
// NAME.key, which only the owner can read, and NAME.pub beside it, both in
// minisign's format. It asks nobody for a password and signs nothing.
package keys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

const (
	secretEnd = ".key"
	publicEnd = ".pub"

	// DefaultName of a key.
	DefaultName = "default"

	maxFile = 4096 // bytes; a key file has about 300
)

// Key is a public key at hand, and where its secret half is.
type Key struct {
	Name   string         `json:"name"`
	ID     string         `json:"keyid"`
	Public string         `json:"public"`
	Path   string         `json:"path"`             // of the .pub file
	Secret string         `json:"secret,omitempty"` // of the .key file, if it is there
	Key    sign.PublicKey `json:"-"`
}

// Store is a folder of keys. It need not exist yet.
type Store struct{ Dir string }

// New makes a key pair. A name that is taken is fault.Conflict: a key is never
// overwritten.
func (s Store) New(name, password string) (Key, error) {
	if !validName(name) {
		return Key{}, fault.New(fault.Invalid, "bad key name %q", name).
			WithHint(`use letters, digits, "-" and "_"`)
	}
	key, err := sign.NewKey()
	if err != nil {
		return Key{}, err
	}
	secret, err := key.File(password)
	if err != nil {
		return Key{}, err
	}
	k := Key{Name: name, ID: key.Public.ID.String(), Public: key.Public.String(), Key: key.Public,
		Path: filepath.Join(s.Dir, name+publicEnd), Secret: filepath.Join(s.Dir, name+secretEnd)}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return Key{}, trouble(err, s.Dir)
	}
	if _, err := os.Lstat(k.Path); err == nil {
		return Key{}, taken(name, k.Path)
	}
	if err := create(k.Secret, secret, 0o600); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Key{}, taken(name, k.Secret)
		}
		return Key{}, trouble(err, k.Secret)
	}
	if err := create(k.Path, key.Public.File(), 0o644); err != nil {
		return Key{}, trouble(errors.Join(err, os.Remove(k.Secret)), k.Path)
	}
	return k, nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

func taken(name, path string) error {
	return fault.New(fault.Conflict, "there is a key %q already: %s", name, path).
		WithHint(`give the new one another name: "arc key new NAME"`)
}

func trouble(err error, path string) error {
	return fault.Wrap(err, fault.Invalid, "the key cannot be written to %s", path).
		WithHint("check that the folder is yours to write and that the disk has room")
}

// create writes a file that must not be there yet, whole or not at all.
func create(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

// List gives every public key in the folder, by name.
func (s Store) List() ([]Key, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []Key{}, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the key folder %s cannot be read", s.Dir)
	}
	out := []Key{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), publicEnd); ok && validName(name) {
			k, err := s.read(filepath.Join(s.Dir, e.Name()))
			if err != nil {
				return nil, err
			}
			out = append(out, k)
		}
	}
	return out, nil
}

// Public finds a public key: by the name of one in the folder, the path of a
// .pub file, or the key itself ("RW…").
func (s Store) Public(ref string) (Key, error) {
	if p, err := sign.ParsePublic([]byte(ref)); err == nil {
		return Key{ID: p.ID.String(), Public: p.String(), Key: p}, nil
	}
	if validName(ref) {
		k, err := s.read(filepath.Join(s.Dir, ref+publicEnd))
		if !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
	}
	k, err := s.read(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, s.unknown(ref)
	}
	return k, err
}

func (s Store) read(path string) (Key, error) {
	text, _, err := readSmall(path)
	if err != nil {
		return Key{}, err
	}
	p, err := sign.ParsePublic(text)
	if f, ok := fault.As(err); ok {
		return Key{}, fault.Wrap(err, f.Code, "%s: %s", path, f.Message).WithHint("%s", f.Hint)
	}
	base := strings.TrimSuffix(path, publicEnd)
	k := Key{Name: filepath.Base(base), ID: p.ID.String(), Public: p.String(), Path: path, Key: p}
	if _, err := os.Lstat(base + secretEnd); err == nil {
		k.Secret = base + secretEnd
	}
	return k, nil
}

// Secret opens a secret key: by the name of one in the folder, or the path of
// its file. A file that others can read is refused.
func (s Store) Secret(ref, password string) (sign.SecretKey, error) {
	path := ref
	if validName(ref) {
		if _, err := os.Stat(filepath.Join(s.Dir, ref+secretEnd)); err == nil {
			path = filepath.Join(s.Dir, ref+secretEnd)
		}
	}
	text, mode, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sign.SecretKey{}, s.unknown(ref)
	}
	if err != nil {
		return sign.SecretKey{}, err
	}
	if mode.Perm()&0o077 != 0 {
		return sign.SecretKey{}, fault.New(fault.Denied, "secret key %s can be read by others (mode %04o)", path, mode.Perm()).
			WithHint("chmod 600 %s; if it was so for long, make a new key", path)
	}
	key, err := sign.ParseSecret(text, password)
	if f, ok := fault.As(err); ok {
		return sign.SecretKey{}, fault.Wrap(err, f.Code, "%s: %s", path, f.Message).WithHint("%s", f.Hint)
	}
	return key, err
}

func (s Store) unknown(ref string) error {
	e := fault.New(fault.NotFound, "no key %q", ref)
	if list, err := s.List(); err == nil && len(list) > 0 {
		var names []string
		for _, k := range list {
			names = append(names, k.Name)
		}
		slices.Sort(names)
		return e.WithHint("there are %s; a path works too", strings.Join(names, ", "))
	}
	return e.WithHint(`make one with "arc key new", or give the path of one`)
}

// readSmall reads a regular file of a key's size, and says what its mode was when
// it was read; one that is not there stays an fs.ErrNotExist.
func readSmall(path string) ([]byte, fs.FileMode, error) {
	// A pipe must not make arc wait for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.Invalid, "key file %s cannot be read", path)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return nil, 0, fault.New(fault.Invalid, "%s is not a key file", path).WithHint(`"arc key list" shows the keys at hand`)
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxFile))
	}
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.Invalid, "key file %s cannot be read", path)
	}
	return text, info.Mode(), nil
}
