package openai

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// maxKey bounds a key file; a longer one holds something else.
const maxKey = 8 << 10

// KeyFile reads a key from a file before every request, so that a new key needs
// no restart. The file must be a regular one that only its owner can read.
func KeyFile(path string) func() (string, error) {
	return func() (string, error) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(err, fault.Unauthenticated, "the model's key file %s does not exist", path).
				WithHint("put the key in it, one line, and set its mode to 0600")
		}
		if err != nil {
			return "", fault.Wrap(err, fault.Unauthenticated, "the model's key file %s cannot be read", path)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return "", fault.Wrap(err, fault.Unauthenticated, "the model's key file %s cannot be read", path)
		}
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
			return "", fault.New(fault.Denied, "the model's key file %s can be read by others", path).WithHint("chmod 600 %s", path)
		}
		b, err := io.ReadAll(io.LimitReader(f, maxKey))
		if err != nil {
			return "", fault.Wrap(err, fault.Unauthenticated, "the model's key file %s cannot be read", path)
		}
		key := strings.TrimSpace(string(b))
		if key == "" {
			return "", fault.New(fault.Unauthenticated, "the model's key file %s is empty", path)
		}
		return key, nil
	}
}
