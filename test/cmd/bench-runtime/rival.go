package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// rival is one Restate server with its service, on loopback, with a fresh data
// folder and its own default of durability: the log is synced to disk
// (log-server.rocksdb-disable-wal-fsync = false), as ours is.
type rival struct {
	ingress string
	cmds    []*exec.Cmd
	dir     string
}

func startRival(ctx context.Context, folder string) (*rival, error) {
	dir, err := os.MkdirTemp("", "bench-rival-")
	if err != nil {
		return nil, err
	}
	r := &rival{dir: dir}
	ports := make([]string, 4)
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	server := exec.CommandContext(ctx, filepath.Join(folder, "node_modules/.bin/restate-server"), "--listen-mode", "tcp", "--no-logo")
	server.Env = append(os.Environ(), "RESTATE_BASE_DIR="+filepath.Join(dir, "data"), "RESTATE_DISABLE_TELEMETRY=true", "RESTATE_LOG_FILTER=error",
		"RESTATE_BIND_ADDRESS=127.0.0.1:"+ports[0], "RESTATE_INGRESS__BIND_ADDRESS=127.0.0.1:"+ports[1], "RESTATE_ADMIN__BIND_ADDRESS=127.0.0.1:"+ports[2])
	service := exec.CommandContext(ctx, "node", "service.mjs", ports[3])
	service.Dir = folder
	for _, c := range []*exec.Cmd{server, service} {
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) } // npm's starter has a child
		c.WaitDelay = 5 * time.Second
		if err := c.Start(); err != nil {
			return nil, fmt.Errorf("rival: %w", err)
		}
		r.cmds = append(r.cmds, c)
	}
	r.ingress = "http://127.0.0.1:" + ports[1]
	body := fmt.Sprintf(`{"uri":"http://127.0.0.1:%s"}`, ports[3])
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if err = post(ctx, "http://127.0.0.1:"+ports[2]+"/deployments", body); err == nil {
			return r, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("rival did not come up: %w", err)
		}
	}
}

// steps runs n journaled steps, one after the other, in one invocation.
func (r *rival) steps(ctx context.Context, n int) error {
	return post(ctx, r.ingress+"/bench/steps", fmt.Sprint(n))
}

func (r *rival) stop() {
	for _, c := range r.cmds {
		_ = c.Cancel()
		_ = c.Wait() // it was told to stop
	}
	os.RemoveAll(r.dir)
}

func post(ctx context.Context, url, body string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answers %s: %s", url, res.Status, text)
	}
	return err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
