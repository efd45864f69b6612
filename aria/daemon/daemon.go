// Package daemon wires the rooms of ariad together by hand, holds its
// configuration, and supervises the pair of daemons for `ariad up`. It has no
// logic of its own about bundles, runs or agents.
package daemon

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
)

const usage = `ariad is the Aria Runtime.

  ariad up       start ariad and quiltd and keep both running (needs root)
  ariad serve    only this daemon; quiltd runs on its own
  ariad version

Flags of up and serve:
`

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2 // also: a configuration that cannot work; up does not try again
)

// Main runs ariad and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	cfg, print, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return complain(stderr, err, exitUsage)
	}
	if print {
		return complain(stderr, cfg.print(stdout), exitError)
	}
	log := logger(cfg.LogFormat, stderr)
	switch command {
	case "up":
		err = up(cfg, stdout, log)
	case "serve":
		err = serve(cfg, log)
	case "version":
		fmt.Fprintln(stdout, "ariad", version.Version)
	case "", "help":
		_, _, _ = parse([]string{"-h"}, stderr)
		if command == "" {
			return exitUsage
		}
	default:
		err = fault.New(fault.Invalid, "ariad has no command %q", command).WithHint("commands are up, serve and version")
	}
	if fault.CodeOf(err) == fault.Invalid {
		return complain(stderr, err, exitUsage)
	}
	return complain(stderr, err, exitError)
}

// complain prints an error as people read it.
func complain(w io.Writer, err error, code int) int {
	if err == nil {
		return exitOK
	}
	f, ok := fault.As(err)
	if !ok {
		fmt.Fprintln(w, "ariad:", err)
		return code
	}
	fmt.Fprintln(w, "ariad:", f.Error())
	if f.Hint != "" {
		fmt.Fprintln(w, "  hint:", f.Hint)
	}
	return code
}
