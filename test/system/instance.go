// Package system starts a real Aria, both daemons as `ariad up` starts them, in
// a folder of its own, for the whole-system tests and measurements. It talks to
// it as any client would and ends only what it started.
package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

// Instance is one running pair.
type Instance struct {
	Bin        string // folder of arc, ariad, quiltd, bun
	Dir        string // data folder
	URL        string
	Credential string

	Bundles  ariav1connect.BundleServiceClient
	Registry ariav1connect.RegistryServiceClient
	Tasks    ariav1connect.TaskServiceClient
	System   ariav1connect.SystemServiceClient

	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
	own  bool // Dir is ours to remove
}

// Start runs `ariad up` on a free loopback port and waits until it serves. An
// empty dir means a temporary one that Stop removes. Bun is $ARIA_BUN, or the
// one beside the programs. Extra arguments go to `ariad up`.
func Start(ctx context.Context, bin, dir string, args ...string) (*Instance, error) {
	return StartAs(ctx, 0, bin, dir, args...)
}

// StartAs is Start as another user, with no group but its own; 0: as we are. dir and
// bin must be there for that user.
func StartAs(ctx context.Context, uid uint32, bin, dir string, args ...string) (*Instance, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	i := &Instance{Bin: bin, Dir: dir, log: &lockedBuffer{}, done: make(chan struct{})}
	if dir == "" {
		if i.Dir, err = os.MkdirTemp("", "aria-"); err != nil {
			return nil, err
		}
		i.own = true
		if err := os.Chmod(i.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	i.URL = "http://" + addr
	bun := os.Getenv("ARIA_BUN")
	if bun == "" {
		bun = filepath.Join(bin, "bun")
	}
	i.cmd = exec.Command(filepath.Join(bin, "ariad"), append([]string{"up",
		"--data", i.Dir, "--listen", addr, "--bun", bun}, args...)...)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if uid != 0 {
		i.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{}}
	}
	if err := i.cmd.Start(); err != nil {
		return nil, fmt.Errorf("ariad up: %w", err)
	}
	go func() { i.cmd.Wait(); close(i.done) }()
	if err := i.connect(ctx); err != nil {
		i.Stop()
		return nil, fmt.Errorf("%w\n%s", err, i.log.String())
	}
	return i, nil
}

func (i *Instance) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for i.Credential == "" {
		b, err := os.ReadFile(i.CredentialFile())
		if err == nil {
			i.Credential = strings.TrimSpace(string(b))
			break
		}
		if err := i.pause(ctx); err != nil {
			return fmt.Errorf("no credential: %w", err)
		}
	}
	opt := connect.WithInterceptors(bearer(i.Credential))
	i.Bundles = ariav1connect.NewBundleServiceClient(http.DefaultClient, i.URL, opt)
	i.Registry = ariav1connect.NewRegistryServiceClient(http.DefaultClient, i.URL, opt)
	i.Tasks = ariav1connect.NewTaskServiceClient(http.DefaultClient, i.URL, opt)
	i.System = ariav1connect.NewSystemServiceClient(http.DefaultClient, i.URL, opt)
	return i.WaitReady(ctx)
}

// CredentialFile is where ariad keeps the bearer credential.
func (i *Instance) CredentialFile() string { return filepath.Join(i.Dir, "aria", "credential") }

// WaitReady returns when ariad answers and says that Quilt is ready too.
func (i *Instance) WaitReady(ctx context.Context) error {
	for {
		r, err := i.System.Info(ctx, connect.NewRequest(&ariav1.InfoRequest{}))
		if err == nil && r.Msg.QuiltReady {
			return nil
		}
		if err := i.pause(ctx); err != nil {
			return fmt.Errorf("not ready: %w", err)
		}
	}
}

func (i *Instance) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-i.done:
		return errors.New("ariad up has ended")
	case <-time.After(5 * time.Millisecond):
		return nil
	}
}

// Log is what both daemons have written so far.
func (i *Instance) Log() string { return i.log.String() }

// PID of the supervisor.
func (i *Instance) PID() int { return i.cmd.Process.Pid }

// Stop asks the supervisor to end and waits until it has.
func (i *Instance) Stop() error {
	i.cmd.Process.Signal(syscall.SIGTERM)
	var err error
	select {
	case <-i.done:
	case <-time.After(30 * time.Second):
		i.cmd.Process.Kill()
		<-i.done
		err = errors.New("ariad up did not end within 30 s of SIGTERM")
	}
	if i.own {
		err = errors.Join(err, os.RemoveAll(i.Dir))
	}
	return err
}

// Arc runs the real command against this instance.
func (i *Instance) Arc(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(i.Bin, "arc"), args...)
	c.Env = append(os.Environ(), "ARIA_SERVER="+i.URL, "ARIA_CREDENTIAL_FILE="+i.CredentialFile())
	return c
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		r.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, r)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		c := next(ctx, s)
		c.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return c
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
