package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// quilt is a quiltd that is started again whenever it ends, as ariad up does.
type quilt struct {
	bin, dir string
	api      *tokenapi.Client
	raw      quiltv1.QuiltServiceClient

	mu       sync.Mutex
	stopping bool
	cmd      *exec.Cmd
	log      *os.File
	ended    chan struct{}
}

func startQuilt(ctx context.Context, bin string) (*quilt, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "chaos-quilt-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	q := &quilt{bin: bin, dir: dir, log: log, ended: make(chan struct{})}
	go q.keep()
	socket := filepath.Join(dir, "run", "quilt.sock")
	if q.api, err = tokenapi.Dial(socket); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second, Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1.2, MaxDelay: 20 * time.Millisecond}}))
	if err != nil {
		return nil, err
	}
	q.raw = quiltv1.NewQuiltServiceClient(conn)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	_, err = q.awaitStatus(ctx, 0)
	if err == nil {
		time.Sleep(1500 * time.Millisecond) // the image was just written; another start may trust what this one hashed
		q.mu.Lock()
		_ = q.cmd.Process.Signal(syscall.SIGTERM)
		q.mu.Unlock()
		_, err = q.awaitStatus(ctx, 1)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, q.tail())
	}
	return q, nil
}

// keep starts quiltd again, and again.
func (q *quilt) keep() {
	defer close(q.ended)
	for {
		q.mu.Lock()
		if q.stopping {
			q.mu.Unlock()
			return
		}
		cmd := exec.Command(filepath.Join(q.bin, "quiltd"), "-data", q.dir, "-bun", filepath.Join(q.bin, "bun"))
		cmd.Stdout, cmd.Stderr = q.log, q.log // a file, as ariad up does: its end is that of the process
		q.cmd = cmd
		err := cmd.Start()
		q.mu.Unlock()
		if err == nil {
			_ = cmd.Wait() // however it ended, the next follows
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tail is the end of quiltd's log.
func (q *quilt) tail() string {
	text, err := os.ReadFile(q.log.Name())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "execution ended") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-20):], "")
}

// awaitStatus asks until an engine of a later epoch answers.
func (q *quilt) awaitStatus(ctx context.Context, after uint64) (*quiltv1.StatusResponse, error) {
	for {
		call, cancel := context.WithTimeout(ctx, time.Second)
		s, err := q.raw.Status(call, &quiltv1.StatusRequest{}, grpc.WaitForReady(true))
		cancel()
		if err == nil && s.Epoch > after {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, errors.New("quiltd does not serve")
		}
		time.Sleep(time.Millisecond)
	}
}

func (q *quilt) stop() {
	q.mu.Lock()
	again := q.stopping
	q.stopping = true
	if q.cmd != nil && q.cmd.Process != nil {
		_ = q.cmd.Process.Signal(syscall.SIGTERM)
	}
	q.mu.Unlock()
	<-q.ended
	if again {
		_ = os.RemoveAll(q.dir)
	}
}
