package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// openIdentity reads the identity at given, or own, which it may make. It never
// makes one beside a store that an older identity encrypted.
func openIdentity(given, own, store string) (*age.X25519Identity, error) {
	path := given
	if path == "" {
		path = own
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && given == "" {
		if _, err := os.Stat(store); err == nil {
			return nil, fault.New(fault.Unavailable, "%s is gone, and %s was encrypted to it", own, store).
				WithHint("bring it back from a backup, or move %s away to begin without secrets", store)
		}
		return makeIdentity(own)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the identity %s of the secrets cannot be read", path).WithHint("quiltd's user must be able to read it")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Unavailable, "the identity %s of the secrets can be read by others", path).WithHint("chmod 600 %s", path)
	}
	list, err := age.ParseIdentities(strings.NewReader(string(text)))
	if err == nil && len(list) == 1 {
		if id, ok := list[0].(*age.X25519Identity); ok {
			return id, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "%s is not one age X25519 identity", path).WithHint("make one with age-keygen -o %s", path)
}

func makeIdentity(path string) (*age.X25519Identity, error) {
	id, err := age.GenerateX25519Identity()
	if err == nil {
		err = replace(path, []byte(id.String()+"\n"))
	}
	if err != nil {
		return nil, broken(path, err)
	}
	return id, nil
}

// replace writes a file of mode 0600 whole or not at all, and to the disk.
func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".secrets-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
