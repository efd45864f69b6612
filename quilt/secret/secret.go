// Package secret keeps credentials: encrypted at rest with age, told to nobody
// inside a container. A value is read for one request, added to it outside, and
// masked in what comes back. A unit that asks for a value is refused.
//
// The store is one file that is replaced as a whole; the identity that opens it
// is a file beside it unless the operator keeps it elsewhere. Values are not
// cached: they are in memory while they are used.
package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Sizes of a value in bytes. A shorter one would be masked in innocent text.
const (
	MinValue = 8
	MaxValue = 8 << 10
	maxCount = 1000
)

// Info is what may be told of a secret.
type Info struct {
	Name    string
	Version int64 // 1, and one more with each new value
	Changed time.Time
}

// Store is the encrypted file. Its methods may be called concurrently.
type Store struct {
	path     string
	identity *age.X25519Identity

	mu sync.Mutex // one change at a time
}

// entry is one secret in the clear.
type entry struct {
	Tenant  string    `json:"tenant,omitempty"`
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	Version int64     `json:"version"`
	Changed time.Time `json:"changed"`
}

// Open opens the store in dir. identity is the path of an age X25519 identity;
// "": dir/secrets.key, which is made when it is not there and no store is
// either. Faults: Unavailable.
func Open(dir, identity string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, "secrets.age")}
	var err error
	if s.identity, err = openIdentity(identity, filepath.Join(dir, "secrets.key"), s.path); err != nil {
		return nil, err
	}
	if _, err := s.read(); err != nil {
		return nil, err
	}
	return s, nil
}

// Set gives name a value: a new secret, or the next version of one. Fault:
// Invalid.
func (s *Store) Set(_ context.Context, tenant, name, value string) (Info, error) {
	if err := checkName(name); err != nil {
		return Info{}, err
	}
	if err := checkValue(name, value); err != nil {
		return Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.read()
	if err != nil {
		return Info{}, err
	}
	i := find(all, tenant, name)
	if i < 0 {
		if len(all) >= maxCount {
			return Info{}, fault.New(fault.Exhausted, "there are %d secrets, which is the most there can be", maxCount).WithHint("remove some")
		}
		all = append(all, entry{Tenant: tenant, Name: name})
		i = len(all) - 1
	}
	if all[i].Version > 0 && all[i].Value == value {
		return all[i].info(), nil // the same call again, over a connection that broke
	}
	all[i].Value, all[i].Version, all[i].Changed = value, all[i].Version+1, time.Now().UTC()
	if err := s.write(all); err != nil {
		return Info{}, err
	}
	return all[i].info(), nil
}

// Remove takes name away. Fault: NotFound.
func (s *Store) Remove(_ context.Context, tenant, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.read()
	if err != nil {
		return err
	}
	i := find(all, tenant, name)
	if i < 0 {
		return missing(name)
	}
	return s.write(slices.Delete(all, i, i+1))
}

// List tells the names of a tenant, in order.
func (s *Store) List(_ context.Context, tenant string) ([]Info, error) {
	all, err := s.read()
	if err != nil {
		return nil, err
	}
	out := []Info{}
	for _, e := range all {
		if e.Tenant == tenant {
			out = append(out, e.info())
		}
	}
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Resolve is the value, for use outside a container only. Fault: NotFound.
func (s *Store) Resolve(_ context.Context, tenant, name string) (string, error) {
	all, err := s.read()
	if err != nil {
		return "", err
	}
	i := find(all, tenant, name)
	if i < 0 {
		return "", missing(name)
	}
	return all[i].Value, nil
}

func (e entry) info() Info { return Info{Name: e.Name, Version: e.Version, Changed: e.Changed} }

func find(all []entry, tenant, name string) int {
	return slices.IndexFunc(all, func(e entry) bool { return e.Tenant == tenant && e.Name == name })
}

func missing(name string) error {
	return fault.New(fault.NotFound, "there is no secret %q", name).WithHint("set it: arc secret set %s", name)
}

func checkName(name string) error {
	if t, err := token.Parse("secret:" + name); err != nil || t.Path() != name || strings.Contains(name, ":") {
		return fault.New(fault.Invalid, "%.80q is not the name of a secret", name).WithHint("letters, digits, - _ . and ~, such as STRIPE_KEY")
	}
	return nil
}

// checkValue: what cannot stand in a header cannot be added to a request.
func checkValue(name, value string) error {
	if len(value) < MinValue || len(value) > MaxValue {
		return fault.New(fault.Invalid, "the value of %s has %d bytes; it may have %d to %d", name, len(value), MinValue, MaxValue).
			WithHint("a shorter one could not be masked in what servers answer")
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			return fault.New(fault.Invalid, "the value of %s holds a byte that no request can carry (at %d)", name, i).
				WithHint("printable ASCII on one line; encode a binary key in base64")
		}
	}
	return nil
}

// read decrypts the store; a missing file is an empty one.
func (s *Store) read() ([]entry, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, broken(s.path, err)
	}
	defer f.Close()
	r, err := age.Decrypt(f, s.identity)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the secrets in %s cannot be decrypted", s.path).
			WithHint("the identity is not the one they were encrypted to; bring the old one back")
	}
	var all []entry
	plain, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(plain, &all)
	}
	clear(plain)
	if err != nil {
		return nil, broken(s.path, err)
	}
	return all, nil
}

// write replaces the store. When it returns, the new one is on the disk.
func (s *Store) write(all []entry) error {
	plain, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, s.identity.Recipient())
	if err == nil {
		_, err = w.Write(plain)
	}
	clear(plain)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	if err := replace(s.path, sealed.Bytes()); err != nil {
		return broken(s.path, err)
	}
	return nil
}

func broken(path string, err error) error {
	return fault.Wrap(err, fault.Unavailable, "the secrets in %s cannot be read or written", path).WithHint("is there space, and does quiltd's user own the folder?")
}
