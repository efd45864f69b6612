package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/groups"
	"github.com/ariacomputecompany/firmware/internal/idle"
)

// user and group that ariad gets. No account is needed; quiltd trusts this id.
const user = 64101

// up prepares the folders, starts both daemons as their own users and keeps
// them running until SIGTERM or SIGINT. It opens no store and serves nothing.
func up(cfg Config, stdout io.Writer, log *slog.Logger) error {
	debug.SetGCPercent(20)
	if os.Geteuid() != 0 {
		groups.StepAside() // quiltd needs the group in which we were started for its own
	}
	quiltd, err := find(cfg.Quiltd, "quiltd")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own path: %w", err)
	}
	if err := folders(cfg); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(cfg.Data, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if ln, err := listen(cfg.Listen, slog.New(slog.DiscardHandler)); err != nil {
		return err
	} else {
		ln.Close() // it was free; the daemon itself says it if that changes
	}
	quiltArgs := []string{"--data", cfg.Data, "--socket", cfg.Socket, "--log-format", cfg.LogFormat}
	if cfg.Bun != "" {
		// The children start in /, so what the caller wrote must not depend on it.
		bun, err := filepath.Abs(cfg.Bun)
		if err != nil {
			return fmt.Errorf("path of bun: %w", err)
		}
		quiltArgs = append(quiltArgs, "--bun", bun)
	}
	if cfg.AllowDegraded != "" {
		quiltArgs = append(quiltArgs, "--allow-degraded", cfg.AllowDegraded)
	}
	ariadArgs := []string{"serve", "--data", cfg.Data, "--listen", cfg.Listen, "--socket", cfg.Socket, "--log-format", cfg.LogFormat}
	if cfg.file != "" { // what it says of models and trust is for the child
		ariadArgs = append(ariadArgs, "--config", cfg.file)
	}
	return supervise(cfg, stdout, log,
		child{name: "quiltd", path: quiltd, args: quiltArgs, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}},
		child{name: "ariad", path: self, args: ariadArgs,
			attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: ownUser()}, sealed: true})
}

// ownUser is ariad's own user; without root all is the user that we are.
func ownUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: user, Gid: user, Groups: []uint32{}}
}

// supervise runs the children until a signal, or until one says that trying
// again is no use.
func supervise(cfg Config, stdout io.Writer, log *slog.Logger, children ...child) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	var all sync.WaitGroup
	var up atomic.Bool
	// They stop from the last to the first: while ariad lets its runs end, they
	// still need quiltd.
	until := ctx
	for _, c := range slices.Backward(children) {
		mine := until
		next, stopped := context.WithCancel(context.Background())
		all.Go(func() {
			defer stopped()
			if err := c.keep(mine, &up, log); err != nil {
				give(err)
				<-mine.Done()
			}
		})
		until = next
	}
	if ready(ctx, cfg.Listen) {
		up.Store(true)
		idle.Release() // nothing is left to do but to wait
		fmt.Fprintf(stdout, "aria ready  http://%s  credential %s\n", cfg.Listen, cfg.credential())
	}
	<-ctx.Done()
	all.Wait()
	if cause := context.Cause(ctx); fault.CodeOf(cause) != fault.Internal {
		return cause
	}
	return nil
}

// find looks for a program where it was said to be, beside this one, or in PATH.
func find(given, name string) (string, error) {
	if given == "" {
		if self, err := os.Executable(); err == nil {
			beside := filepath.Join(filepath.Dir(self), name)
			if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
				return beside, nil
			}
		}
		given = name
	}
	path, err := exec.LookPath(given)
	if err != nil {
		return "", fault.New(fault.NotFound, "%s was not found", given).
			WithHint("put it beside ariad, or say where it is with --%s", name)
	}
	return filepath.Abs(path)
}

// folders makes DATA and DATA/aria, which nobody but ariad can read. quiltd
// makes its own, and the one for the socket between them.
func folders(cfg Config) error {
	if err := os.MkdirAll(cfg.own(), 0o755); err != nil {
		return disk(err, cfg.own())
	}
	st, err := os.Lstat(cfg.own())
	if err != nil {
		return disk(err, cfg.own())
	}
	if !st.IsDir() {
		return fault.New(fault.Invalid, "%s is not a folder", cfg.own()).WithHint("move it away")
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(cfg.own(), 0o700); err != nil {
			return disk(err, cfg.own())
		}
		return nil
	}
	if err := errors.Join(os.Lchown(cfg.own(), user, user), os.Chmod(cfg.own(), 0o700)); err != nil {
		return disk(err, cfg.own())
	}
	return reachable(cfg.Data)
}

// reachable makes sure that users without privilege can get to the folder.
func reachable(path string) error {
	for dir := path; ; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			return disk(err, dir)
		}
		if st.Mode().Perm()&0o001 == 0 {
			return fault.New(fault.Denied, "the daemons' users cannot get into %s (mode %04o)", dir, st.Mode().Perm()).
				WithHint("chmod o+x %s, or give --data another folder", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func disk(err error, path string) error {
	return fault.Wrap(err, fault.Denied, "the data folder %s cannot be prepared", path).
		WithHint("is there space on the disk, and is it writable? --data names another folder")
}

// ready asks the public port until it says that both daemons answer.
func ready(ctx context.Context, addr string) bool {
	for ctx.Err() == nil {
		if asks(addr) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// asks is one GET /readyz by hand: an HTTP client would double this process.
func asks(addr string) bool {
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	var line [15]byte
	_, err = io.ReadFull(c, line[:])
	return err == nil && string(line[9:12]) == "200"
}
