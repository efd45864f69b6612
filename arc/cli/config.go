package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

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

// password reads one line from stdin if it was asked for; at a terminal it does
// not show. A new one is asked for twice there: a slip of the finger would lock
// the key away for good.
func (a *app) password(asked, fresh bool) (string, error) {
	if !asked {
		return "", nil
	}
	line, ok, err := a.hidden("password")
	if ok && err == nil && fresh {
		again, _, err := a.hidden("once more")
		if err != nil {
			return "", err
		}
		if again != line {
			return "", fault.New(fault.Invalid, "the two passwords differ").WithHint("nothing was written; try again")
		}
	}
	if !ok {
		line, err = bufio.NewReader(io.LimitReader(a.in, maxPassword)).ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
	}
	if line == "" {
		return "", fault.Wrap(err, fault.Invalid, "--password found no password on stdin").
			WithHint("write it on one line: arc … --password < FILE")
	}
	return line, nil
}

// maxPassword is far above any password and far below a wrong file.
const maxPassword = 64 << 10

// hidden asks for a line at a terminal, without showing it; false if stdin is
// none.
func (a *app) hidden(what string) (line string, ok bool, err error) {
	f, isFile := a.in.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return "", false, nil
	}
	fmt.Fprintf(a.err, "%s (it does not show): ", what)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return "", true, fault.Wrap(err, fault.Invalid, "it was not read from the terminal")
	}
	return string(b), true, nil
}
