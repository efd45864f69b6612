package daemon

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
	"github.com/ariacomputecompany/firmware/quilt/image"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
	"github.com/ariacomputecompany/firmware/sdk"
)

// engineArg is what the launcher hands to the engine, as its only argument.
type engineArg struct {
	Config     Config
	BunVersion string
	Began      time.Time
}

// Main is quiltd. The result is the exit code: 0, 1 for a failure, 2 for wrong
// usage.
func Main(args []string, stdout, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	var err error
	switch {
	case len(args) >= 2 && args[0] == "engine":
		err = runEngine(args[1], log)
	case len(args) == 3 && args[0] == rootlessArg:
		err = runRootless(args[1], args[2], stderr)
	case len(args) == 1 && args[0] == "version":
		_, err = fmt.Fprintln(stdout, "quiltd", version.Version)
	case len(args) >= 1 && args[0] == "image":
		err = runImage(args[1:], stdout, stderr)
	case len(args) >= 1 && args[0] == "plan":
		err = runPlan(args[1:], stdout, stderr)
	default:
		var cfg Config
		var print bool
		command := commandOf(&args)
		cfg, print, err = parse(args, stderr)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return 0
		case err != nil:
			say(stderr, err)
			return 2
		case print:
			err = cfg.print(stdout)
		case command == "restart":
			err = restart(cfg, stdout)
		case command == "gc":
			err = gc(cfg, stdout)
		case os.Geteuid() != 0:
			err = startRootless(cfg)
		default:
			err = runLauncher(cfg, withRoot, logger(cfg.LogFormat, stderr))
		}
	}
	var engine *exec.ExitError
	switch {
	case errors.As(err, &engine) && engine.ExitCode() > 0:
		return engine.ExitCode() // it has said why
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		say(stderr, err)
		return 1
	}
	return 0
}

// commandOf takes the command, if there is one, off args.
func commandOf(args *[]string) string {
	if len(*args) == 0 || (*args)[0] != "restart" && (*args)[0] != "gc" {
		return ""
	}
	command := (*args)[0]
	*args = (*args)[1:]
	return command
}

// say prints an error for people: one sentence, then what to do.
func say(w io.Writer, err error) {
	f, ok := fault.As(err)
	if !ok {
		fmt.Fprintf(w, "quiltd: %v\n", err)
		return
	}
	fmt.Fprintf(w, "quiltd: %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", f.Hint)
	}
}

// runLauncher is the root side: it prepares folders and image, then holds
// containers until the engine ends.
func runLauncher(cfg Config, as standing, log *slog.Logger) error {
	began := time.Now()
	unix.Umask(0o022) // the engine's user has to pass through what is made here
	if err := prepare(cfg); err != nil {
		return err
	}
	lock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer lock.Close()
	sandbox.Prefer("")
	img, bunIs, err := containerImage(cfg)
	if err != nil {
		return err
	}
	arg, err := json.Marshal(engineArg{Config: cfg, BunVersion: bunIs, Began: began})
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // the image was hashed; from here on this process is idle
	socket, err := listen(cfg)
	if err != nil {
		return err
	}
	defer socket.Close()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own path: %w", err)
	}
	return sandbox.RunLauncher(sandbox.LauncherConfig{
		EnginePath: self, EngineFiles: []*os.File{socket}, EngineArgv: []string{"quiltd", "engine", string(arg)}, EngineUID: cfg.UID, EngineGID: cfg.GID,
		ImageDir: img.Dir, ImageDigest: img.Digest, ImageInPlace: cfg.Image != "", Log: log,
		GroupsNote: filepath.Join(cfg.Data, groupsName), Rootless: as.rootless, IDs: as.ids, AllowDegraded: cfg.AllowDegraded,
	})
}

// containerImage is the image to run, and the version of the Bun in it.
func containerImage(cfg Config) (image.Image, string, error) {
	if cfg.Image != "" {
		img, about, err := image.Ready(cfg.Image, sdk.Harness())
		return img, about.Bun, err
	}
	bun, err := findBun(cfg.Bun)
	if err != nil {
		return image.Image{}, "", err
	}
	var version string
	var runs error
	asked := make(chan struct{})
	go func() { // it takes as long as looking at the image
		defer close(asked)
		version, runs = bunVersion(bun)
	}()
	img, err := buildImage(cfg, bun)
	if <-asked; runs != nil {
		return image.Image{}, "", runs
	}
	if err != nil {
		return image.Image{}, "", fmt.Errorf("bun image: %w", err)
	}
	return img, version, nil
}

// prepare makes the folders: the data is the engine's alone; the socket's folder
// gives new files the group that may connect (set-group-id).
func prepare(cfg Config) error {
	for _, d := range []struct {
		path     string
		uid, gid int
		mode     uint32
	}{
		{cfg.Data, -1, -1, 0},
		{filepath.Join(cfg.Data, "images"), 0, 0, 0o755},
		{filepath.Join(cfg.Data, "quilt"), cfg.UID, cfg.GID, 0o700},
		{filepath.Dir(cfg.Socket), cfg.UID, cfg.SocketGID, 0o2750},
	} {
		if err := os.MkdirAll(d.path, 0o755); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the folder %s cannot be made", d.path).WithHint("give another with -data")
		}
		if d.mode == 0 {
			continue
		}
		if err := os.Chown(d.path, d.uid, d.gid); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the folder %s cannot be given to user %d", d.path, d.uid)
		}
		if err := unix.Chmod(d.path, d.mode); err != nil {
			return fmt.Errorf("folder %s: %w", d.path, err)
		}
	}
	return nil
}

const (
	// lockName is the lock in the data folder; it holds the launcher's pid.
	lockName = "quiltd.lock"
	// groupsName says there where the launcher's control groups are.
	groupsName = "quiltd.groups"
)

func writePID(f *os.File) error {
	_, err := fmt.Fprintln(f, os.Getpid())
	return err
}

// lockData keeps a second quiltd off the same data. The kernel drops the lock
// with the process.
func lockData(data string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(data, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the data folder %s cannot be locked", data)
	}
	// The one before may be a moment from its end.
	for wait := 0; ; wait++ {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, errors.Join(f.Truncate(0), writePID(f))
		}
		if wait == 400 {
			f.Close()
			return nil, fault.Wrap(err, fault.Conflict, "another quiltd works on %s", data).WithHint("stop it, or give this one another -data")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
