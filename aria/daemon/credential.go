package daemon

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// credential reads the file, or makes it at the first start: 32 random bytes as
// base64url, readable by this user alone. It is never logged.
func credential(path string) (string, error) {
	raw, err := secret(path)
	if err == nil {
		if len(raw) < 32 {
			return "", fault.New(fault.Invalid, "the credential in %s has less than 32 characters", path).
				WithHint("remove the file; the next start makes a new one")
		}
		return raw, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(b[:])
	if err := putSecret(path, []byte(text+"\n")); err != nil {
		return "", fmt.Errorf("credential: %w", err)
	}
	return text, nil
}

// putSecret writes a file that nobody else may read: all of it or, after a crash or
// a power cut, nothing.
func putSecret(path string, content []byte) error {
	temp := path + ".new"
	_ = os.Remove(temp)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// secret reads a file that nobody else may read.
func secret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.Denied, "%s can be read by others (mode %04o)", path, st.Mode().Perm()).
			WithHint("chmod 600 it, and change what is in it: it may be known")
	}
	raw := make([]byte, 8<<10)
	n, err := f.Read(raw)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return strings.TrimSpace(string(raw[:n])), nil
}
