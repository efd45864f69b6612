package remote

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// maxCredential is far above any credential and far below a wrong file.
const maxCredential = 4096

// FindCredential reads the credential from file, or, if file is "", from the
// first of these that exists: $XDG_CONFIG_HOME/aria/credential,
// ~/.config/aria/credential, what an ariad without root writes
// ($XDG_DATA_HOME/aria/aria/credential, ~/.local/share/aria/aria/credential), and
// what one of the system writes, /var/lib/aria/aria/credential. A file that others
// can read is refused. None is fault.Unauthenticated.
func FindCredential(file string, env func(string) string) (string, error) {
	if file != "" {
		return readCredential(file)
	}
	var looked []string
	for _, at := range defaultCredentials(env) {
		cred, err := readCredential(at)
		if errors.Is(err, fs.ErrNotExist) {
			looked = append(looked, at)
			continue
		}
		return cred, err
	}
	return "", fault.New(fault.Unauthenticated, "no credential found").
		WithHint(`"ariad up" makes one at its first start and prints its path; looked in %s; name another with --credential-file or ARIA_CREDENTIAL_FILE`,
			strings.Join(looked, ", "))
}

func defaultCredentials(env func(string) string) []string {
	var at []string
	if x := env("XDG_CONFIG_HOME"); filepath.IsAbs(x) {
		at = append(at, filepath.Join(x, "aria", "credential"))
	}
	if h := env("HOME"); filepath.IsAbs(h) {
		at = append(at, filepath.Join(h, ".config", "aria", "credential"))
	}
	if x := env("XDG_DATA_HOME"); filepath.IsAbs(x) {
		at = append(at, filepath.Join(x, "aria", "aria", "credential"))
	}
	if h := env("HOME"); filepath.IsAbs(h) {
		at = append(at, filepath.Join(h, ".local", "share", "aria", "aria", "credential"))
	}
	return append(at, "/var/lib/aria/aria/credential")
}

func readCredential(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", unreadable(err, file)
	}
	if !info.Mode().IsRegular() || info.Size() > maxCredential {
		return "", fault.New(fault.Unauthenticated, "%s is not a credential file", file).
			WithHint("it holds one line, as ariad wrote it")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.Unauthenticated, "credential file %s can be read by others (mode %04o)", file, info.Mode().Perm()).
			WithHint("chmod 600 %s", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", unreadable(err, file)
	}
	cred := strings.TrimSpace(string(text))
	if cred == "" || strings.ContainsFunc(cred, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fault.New(fault.Unauthenticated, "credential file %s does not hold a credential", file).
			WithHint("it holds one line, as ariad wrote it")
	}
	return cred, nil
}

func unreadable(err error, file string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unauthenticated, "credential file %s does not exist", file).
			WithHint(`"ariad up" makes one at its first start and prints its path`)
	}
	return fault.Wrap(err, fault.Unauthenticated, "credential file %s cannot be read", file).
		WithHint("it belongs to the user that runs ariad: run arc as that user, or copy it to ~/.config/aria/credential with mode 0600")
}
