package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// develop has `arc dev` start the pair without root: refused with what it would take,
// and then, where that is allowed, building, uploading and running the example.
func develop(ctx context.Context, p *place) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	home := filepath.Dir(p.bin)
	project, data := filepath.Join(home, "orders"), filepath.Join(home, "dev")
	if err := p.own(project, "examples/orders"); err != nil {
		return err
	}
	at, err := free()
	if err != nil {
		return err
	}
	args := []string{"dev", project, "--data", data, "--listen", at, "--run", "orders.add", "--input", `{"id":"A-17","buyer":"Ada","total":4200}`}
	cmd := p.as(ctx, "arc", args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("--allow-degraded")) || !bytes.Contains(out, []byte("docs/spec/rootless.md")) {
		return fmt.Errorf("without a word on what is missing, arc dev said %q (%v)", out, err)
	}
	cmd = p.as(ctx, "arc", append(args, "--allow-degraded", p.users.degraded())...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	said := &lines{want: `"status":"open"`, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-said.seen:
	case err := <-ended:
		return fmt.Errorf("arc dev ended (%v): %s", err, said.all())
	case <-ctx.Done():
		return fmt.Errorf("arc dev ran nothing: %s", said.all())
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("Ctrl-C: %w: %s", err, said.all())
	}
	if left := processesOf(p.users); len(left) > 0 {
		return fmt.Errorf("arc dev left %d processes behind", len(left))
	}
	return nil
}

// own is a copy of a folder that belongs to that user.
func (p *place) own(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(p.users.own), int(p.users.own)))
	})
}

// free is an address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// lines keeps what a command says, and closes seen when a line has what is wanted.
type lines struct {
	want string
	seen chan struct{}

	mu   sync.Mutex // guards the rest
	text []byte
	done bool
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	for s := bufio.NewScanner(bytes.NewReader(l.text)); !l.done && s.Scan(); {
		if strings.Contains(strings.ReplaceAll(s.Text(), " ", ""), l.want) {
			l.done = true
			close(l.seen)
		}
	}
	return len(b), nil
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
