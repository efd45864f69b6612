package oci

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// view is what state and list print: the specification's fields and a few more.
type view struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	Pid         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
}

func (c *container) view() view {
	s := c.state(c.status())
	return view{s.Version, s.ID, s.Pid, s.Status, s.Bundle, c.Rootfs, c.Created, s.Annotations, c.Owner}
}

func (f *front) state(set *flag.FlagSet, args []string) (int, error) {
	id, err := one(set, args)
	if err != nil {
		return 1, err
	}
	c, err := peek(f.root, id)
	if err != nil {
		return 1, err
	}
	return 0, printJSON(f.stdout, c.view())
}

func (f *front) list(set *flag.FlagSet, args []string) (int, error) {
	format := set.String("format", "table", "table or json")
	set.StringVar(format, "f", "table", "table or json")
	quiet := set.Bool("quiet", false, "names only")
	set.BoolVar(quiet, "q", false, "names only")
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	entries, err := os.ReadDir(f.root)
	if err != nil && !(os.IsNotExist(err) && f.root == defaultRoot) {
		return 1, fault.Wrap(err, fault.NotFound, "the state folder %s cannot be read", f.root)
	}
	all := []view{}
	for _, e := range entries {
		if c, err := peek(f.root, e.Name()); err == nil {
			all = append(all, c.view())
		}
	}
	switch {
	case *quiet:
		for _, v := range all {
			fmt.Fprintln(f.stdout, v.ID)
		}
	case *format == "json":
		return 0, json.NewEncoder(f.stdout).Encode(all)
	case *format == "table":
		w := tabwriter.NewWriter(f.stdout, 12, 1, 3, ' ', 0)
		fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
		for _, v := range all {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", v.ID, v.Pid, v.Status, v.Bundle, v.Created.Format(time.RFC3339Nano), v.Owner)
		}
		return 0, w.Flush()
	default:
		return 1, fault.New(fault.Invalid, "invalid format option").WithHint("table or json")
	}
	return 0, nil
}

func (f *front) ps(set *flag.FlagSet, args []string) (int, error) {
	format := set.String("format", "table", "table or json")
	set.StringVar(format, "f", "table", "table or json")
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	if set.NArg() == 0 {
		return 1, fault.New(fault.Invalid, "ps needs a container's ID")
	}
	c, err := peek(f.root, set.Arg(0))
	if err != nil {
		return 1, err
	}
	pids := c.Groups.all()
	switch *format {
	case "json":
		if pids == nil {
			pids = []int{}
		}
		return 0, json.NewEncoder(f.stdout).Encode(pids)
	case "table":
		return 0, f.psTable(pids, set.Args()[1:])
	}
	return 1, fault.New(fault.Invalid, "invalid format option").WithHint("table or json")
}

// psTable lets ps(1) print and keeps the lines that are the container's.
func (f *front) psTable(pids []int, options []string) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	out, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fault.Wrap(err, fault.Failed, "ps %s: %s", strings.Join(options, " "), out)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return fault.New(fault.Invalid, "ps printed no column PID")
	}
	fmt.Fprintln(f.stdout, lines[0])
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		if n, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, n) {
			fmt.Fprintln(f.stdout, line)
		}
	}
	return nil
}

func (f *front) kill(set *flag.FlagSet, args []string) (int, error) {
	all := set.Bool("all", false, "signal every process of the container")
	set.BoolVar(all, "a", false, "signal every process of the container")
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	if set.NArg() < 1 || set.NArg() > 2 || set.Arg(0) == "" {
		return 1, fault.New(fault.Invalid, "kill needs a container's ID, and may have a signal")
	}
	name := "TERM"
	if set.NArg() == 2 {
		name = set.Arg(1)
	}
	sig, err := parseSignal(name)
	if err != nil {
		return 1, err
	}
	c, err := openContainer(f.root, set.Arg(0))
	if err != nil {
		return 1, err
	}
	defer c.release()
	return 0, c.signal(sig, *all)
}

func (c *container) signal(sig unix.Signal, all bool) error {
	stopped := c.status() == specs.StateStopped
	// Without a pid namespace of its own the first process takes nobody along.
	shared := !private(c.Spec, specs.PIDNamespace)
	if sig == unix.SIGKILL && shared && (!stopped || len(c.Groups.all()) > 0) {
		c.Groups.kill()
		return nil
	}
	if all {
		for _, pid := range c.Groups.all() {
			_ = unix.Kill(pid, sig)
		}
		return nil
	}
	if stopped {
		return fault.New(fault.Conflict, "container not running")
	}
	if err := signalOnce(c.Pid, c.Start, sig); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the signal cannot be sent")
	}
	if sig == unix.SIGKILL && c.Groups.frozen() {
		return c.Groups.freeze(false)
	}
	return nil
}

// signalOnce goes through a pidfd, so that no other process of the same number
// can be hit.
func signalOnce(pid int, start uint64, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !alive(pid, start) {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

func parseSignal(name string) (unix.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 64 {
		return unix.Signal(n), nil
	}
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	if s := unix.SignalNum(full); s != 0 {
		return s, nil
	}
	return 0, fault.New(fault.Invalid, "unknown signal %q", name)
}

func (f *front) deleteAll(set *flag.FlagSet, args []string) (int, error) {
	force := set.Bool("force", false, "kill it first if it runs")
	set.BoolVar(force, "f", false, "kill it first if it runs")
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	if set.NArg() == 0 {
		return 1, fault.New(fault.Invalid, "delete needs a container's ID")
	}
	for _, id := range set.Args() {
		if err := f.deleteOne(id, *force); err != nil {
			return 1, err
		}
	}
	return 0, nil
}

func (f *front) deleteOne(id string, force bool) error {
	c, err := openContainer(f.root, id)
	if fault.CodeOf(err) == fault.NotFound && force {
		return f.sweep(id)
	}
	if err != nil {
		return err
	}
	defer c.release()
	if s := c.status(); s != specs.StateStopped {
		if !force {
			return fault.New(fault.Conflict, "cannot delete container %s that is not stopped: %s", id, s)
		}
		_ = signalOnce(c.Pid, c.Start, unix.SIGKILL)
		_ = c.Groups.freeze(false)
		for deadline := time.Now().Add(10 * time.Second); alive(c.Pid, c.Start) && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return f.destroy(c)
}
