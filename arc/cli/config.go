package cli

import (
	"bufio"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/keys"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/trust"
)

// configFolder is the user's own: $XDG_CONFIG_HOME/aria, or ~/.config/aria.
func (a *app) configFolder() (string, error) {
	if x := a.env("XDG_CONFIG_HOME"); filepath.IsAbs(x) {
		return filepath.Join(x, "aria"), nil
	}
	if h := a.env("HOME"); filepath.IsAbs(h) {
		return filepath.Join(h, ".config", "aria"), nil
	}
	return "", fault.New(fault.Invalid, "there is no configuration folder: neither XDG_CONFIG_HOME nor HOME names one").
		WithHint("set HOME")
}

func (a *app) keys() (keys.Store, error) {
	dir, err := a.configFolder()
	return keys.Store{Dir: filepath.Join(dir, "keys")}, err
}

// trustFile is the path that was given, or the user's own.
func (a *app) trustFile(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := a.configFolder()
	return filepath.Join(dir, trust.FileName), err
}

// password reads one line from stdin if it was asked for.
func (a *app) password(asked bool) (string, error) {
	if !asked {
		return "", nil
	}
	if isTerminal(a.in) {
		a.note("password (it will show):")
	}
	line, err := bufio.NewReader(a.in).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fault.Wrap(err, fault.Invalid, "--password found no password on stdin").
			WithHint("write it on one line: arc … --password < FILE")
	}
	return line, nil
}
