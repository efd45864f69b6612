package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/image"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// restartTime is how long a restart may take from the outside.
const restartTime = 40 * time.Second

// restart has the engine of the quiltd that works on cfg.Data replaced, by the
// binary that lies where quiltd was started from, and waits until it is.
func restart(cfg Config, out io.Writer) error {
	launcher, err := leader(cfg.Data)
	if err != nil {
		return err
	}
	before := engineOf(launcher)
	if before == 0 {
		return fault.New(fault.Unavailable, "quiltd on %s has no engine at the moment", cfg.Data).WithHint("it is just starting; try again")
	}
	began := time.Now()
	if err := unix.Kill(launcher, unix.SIGUSR2); err != nil {
		return fault.Wrap(err, fault.Denied, "quiltd (process %d) cannot be told to restart", launcher).WithHint("use sudo")
	}
	for time.Since(began) < restartTime {
		if now := engineOf(launcher); now != 0 && unix.Kill(before, 0) != nil {
			fmt.Fprintf(out, "restarted: engine %d is %d, after %d ms\n", before, now, time.Since(began).Milliseconds())
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fault.New(fault.Timeout, "the engine was not replaced within %s; the old one goes on", restartTime).WithHint("the log of quiltd says why")
}

// leader is the process that holds the data folder's lock.
func leader(data string) (int, error) {
	nobody := fault.New(fault.NotFound, "no quiltd works on %s", data).WithHint("name its data folder with -data")
	f, err := os.Open(filepath.Join(data, lockName))
	if err != nil {
		return 0, nobody
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return 0, nobody
	}
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0, fmt.Errorf("read lock: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fault.New(fault.Unavailable, "the quiltd on %s does not say which process it is", data).WithHint("it is just starting; try again")
	}
	return pid, nil
}

// engineOf is the newest child of a launcher that is an engine; 0: none.
func engineOf(launcher int) (pid int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", launcher))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(text)) {
			line, err := os.ReadFile("/proc/" + f + "/cmdline")
			if n, _ := strconv.Atoi(f); err == nil && strings.HasPrefix(string(line), "quiltd\x00engine\x00") {
				pid = max(pid, n)
			}
		}
	}
	return pid
}

// gc removes what crashes left: control groups of launchers that are dead, with
// whatever runs in them, and images that were never finished. Without root these are
// the user's own.
func gc(cfg Config, out io.Writer) error {
	groups, err := sandbox.Sweep("", filepath.Join(cfg.Data, groupsName))
	if err != nil {
		return err
	}
	images, err := image.Clean(filepath.Join(cfg.Data, "images"))
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(err, fault.Denied, "the data folder %s belongs to another user", cfg.Data).WithHint("use sudo, or name your own with -data")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "gc: %d groups, %d unfinished images removed\n", groups, images)
	return nil
}
