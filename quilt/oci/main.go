package oci

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// defaultRoot is where the states lie.
const defaultRoot = "/run/quilt-oci"

// front is one call of the command.
type front struct {
	root        string
	log         *slog.Logger
	debug       bool
	stdout, err io.Writer
}

// command is one word of the command line. It returns the exit code.
type command struct {
	usage, about string
	run          func(f *front, fs *flag.FlagSet, args []string) (int, error)
}

func commands() map[string]command {
	return map[string]command{
		"create":   {"[flags] ID", "make a container; it waits for start", (*front).create},
		"start":    {"ID", "start the process of a container that was created", (*front).start},
		"run":      {"[flags] ID", "create and start", (*front).runOne},
		"exec":     {"[flags] ID COMMAND...", "start another process in a running container", (*front).execIn},
		"state":    {"ID", "print the state as JSON", (*front).state},
		"kill":     {"[flags] ID [SIGNAL]", "send a signal (default TERM)", (*front).kill},
		"delete":   {"[flags] ID...", "remove a stopped container", (*front).deleteAll},
		"list":     {"[flags]", "list the containers of this root", (*front).list},
		"ps":       {"[flags] ID [PS-OPTIONS]", "list the processes of a container", (*front).ps},
		"pause":    {"ID", "stop all processes of a container for now", (*front).pause},
		"resume":   {"ID", "let them go on", (*front).resume},
		"update":   {"[flags] ID", "change the limits of a container", (*front).update},
		"events":   {"[flags] ID", "print figures of a container", (*front).events},
		"spec":     {"[flags]", "write a config.json to begin with", (*front).spec},
		"features": {"", "print what this runtime can do, as JSON", (*front).features},
	}
}

// Main is quilt-oci. The result is the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == "child" {
		return childMain(args[1])
	}
	// The first thread outlives every goroutine, so none that joins a container's
	// groups or namespaces may get it.
	runtime.LockOSThread()
	// What a caller left open is not for the container.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(stderr, "close_range:", err)
		return 1
	}
	f := &front{stdout: stdout, err: stderr}
	code, err := f.main(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		f.complain(err)
		if code == 0 {
			code = 1
		}
	}
	return code
}

func (f *front) main(args []string) (int, error) {
	fs := flag.NewFlagSet("quilt-oci", flag.ContinueOnError)
	fs.SetOutput(f.err)
	fs.Usage = func() { f.help(fs) }
	fs.StringVar(&f.root, "root", defaultRoot, "`folder` of the containers' states")
	logFile := fs.String("log", "", "`file` for messages (default: standard error)")
	format := fs.String("log-format", "text", "text or json")
	systemd := fs.Bool("systemd-cgroup", false, "have systemd make the control groups (not supported)")
	rootless := fs.String("rootless", "auto", "not supported: auto or false")
	show, showShort := fs.Bool("version", false, "print the version"), fs.Bool("v", false, "print the version")
	fs.BoolVar(&f.debug, "debug", false, "say more")
	if err := fs.Parse(args); err != nil {
		return 1, err
	}
	if err := f.openLog(*logFile, *format); err != nil {
		return 1, err
	}
	args = fs.Args()
	switch {
	case *show || *showShort:
		fmt.Fprintf(f.stdout, "quilt-oci version %s\nspec: %s\n", version.Version, specs.Version)
		return 0, nil
	case *systemd:
		return 1, fault.New(fault.Invalid, "--systemd-cgroup is not supported").WithHint("control groups are made directly")
	case *rootless != "auto" && *rootless != "false":
		return 1, fault.New(fault.Invalid, "--rootless %s is not supported", *rootless)
	case len(args) == 0 || args[0] == "help":
		f.help(fs)
		return 0, nil
	}
	c, ok := commands()[args[0]]
	if !ok {
		return 1, fault.New(fault.Invalid, "quilt-oci has no command %q", args[0]).WithHint("see quilt-oci help")
	}
	sub := flag.NewFlagSet(args[0], flag.ContinueOnError)
	sub.SetOutput(f.err)
	sub.Usage = func() {
		sub.SetOutput(f.stdout)
		fmt.Fprintf(f.stdout, "Usage: quilt-oci %s %s\n\n%s\n\n", args[0], c.usage, c.about)
		sub.PrintDefaults()
	}
	return c.run(f, sub, args[1:])
}

func (f *front) help(fs *flag.FlagSet) {
	fmt.Fprintf(f.stdout, "quilt-oci runs containers as the OCI runtime specification %s says.\n\nUsage: quilt-oci [flags] COMMAND ...\n\n", specs.Version)
	list := commands()
	var names []string
	for n := range list {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(f.stdout, "  %-9s %s\n", n, list[n].about)
	}
	fmt.Fprintln(f.stdout, "\nFlags:")
	fs.SetOutput(f.stdout)
	fs.PrintDefaults()
}

// openLog is where warnings, debug lines and a copy of the error go.
func (f *front) openLog(path, format string) error {
	w, level := f.err, slog.LevelInfo
	if f.debug {
		level = slog.LevelDebug
	}
	if path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "the log %s cannot be opened", path)
		}
		w = file
	}
	// Lower-case levels: that is what callers of such runtimes parse.
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey {
			a.Value = slog.StringValue(strings.ToLower(strings.Replace(a.Value.String(), "WARN", "WARNING", 1)))
		}
		return a
	}}
	switch {
	case format == "json":
		f.log = slog.New(slog.NewJSONHandler(w, opts))
	case format == "text":
		f.log = slog.New(slog.NewTextHandler(w, opts))
	default:
		return fault.New(fault.Invalid, "the log format %q is not known", format).WithHint("text or json")
	}
	if path == "" {
		f.log = slog.New(&quietError{f.log.Handler()})
	}
	return nil
}

// complain prints the error for people, and for the log if that is a file.
func (f *front) complain(err error) {
	text, hint := err.Error(), ""
	if e, ok := fault.As(err); ok {
		hint = e.Hint
	}
	fmt.Fprintln(f.err, text)
	if hint != "" {
		fmt.Fprintf(f.err, "  hint: %s\n", hint)
	}
	if f.log != nil {
		f.log.Error(text)
	}
}

// hear hands on what a child says on the way.
func (f *front) hear(n note) {
	if n.Step == "debug" {
		f.log.Debug(n.Text)
		return
	}
	f.log.Warn(n.Text)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// one takes the single argument of a command.
func one(fs *flag.FlagSet, args []string) (string, error) {
	var names []string
	for {
		if err := fs.Parse(args); err != nil {
			return "", err
		}
		if fs.NArg() == 0 {
			break
		}
		names, args = append(names, fs.Arg(0)), fs.Args()[1:] // flags may follow the name
	}
	if len(names) != 1 || names[0] == "" {
		return "", fault.New(fault.Invalid, "%q requires exactly 1 argument: the container's ID", fs.Name())
	}
	return names[0], nil
}

// words collects a flag that may be given more than once.
type words []string

func (w *words) String() string     { return strings.Join(*w, ",") }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }
