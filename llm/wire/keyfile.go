package wire

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
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

// CheckKey refuses a text that is not one key, and a key that would cross plain
// HTTP to another machine unless allowed.
func CheckKey(key, baseURL string, plainHTTP bool) (string, error) {
	key = strings.TrimSpace(key)
	if strings.ContainsAny(key, "\r\n\x00 ") {
		return "", fault.New(fault.Invalid, "the model's key file does not hold one key").WithHint("one line, nothing else")
	}
	if u, err := url.Parse(baseURL); key != "" && !plainHTTP && (err != nil || u.Scheme == "http" && !loopback(u.Hostname())) {
		return "", fault.New(fault.Denied, "the model's key would cross the network unencrypted").
			WithHint("use an https:// base_url, or set plain_http = true for this provider")
	}
	return key, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
