package test

import (
	"encoding/json"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRestart kills ariad while arc follows a run: the run ends honestly, arc
// hears of it over a new connection, and the next run works.
func TestRestart(t *testing.T) {
	p := needPair(t)
	if out, code := p.arc(t, "upload", "testdata/restart"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	type ending struct {
		out  []byte
		code int
	}
	followed := make(chan ending, 1)
	go func() {
		out, code := p.arc(t, "run", "nap.nap", "--input", `{"ms":20000}`, "--json", "-q")
		followed <- ending{out, code}
	}()
	p.waitRunning(t)
	p.killAriad(t)
	select {
	case e := <-followed:
		var r run
		if err := json.Unmarshal(e.out, &r); err != nil {
			t.Fatalf("exit code %d, not a run: %s", e.code, e.out)
		}
		if r.State != "failed" || r.Error.Code != "interrupted" || e.code != 1 || r.Error.Hint == "" {
			t.Errorf("ended as %s, %+v, exit code %d; want failed, interrupted with a hint, 1", r.State, r.Error, e.code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("arc did not come back within 20 s of the restart")
	}
	if r, code := p.run(t, "nap.nap", `{"ms":1}`); r.State != "done" || code != 0 {
		t.Errorf("the next run ended as %s, exit code %d", r.State, code)
	}
}

// waitRunning waits until a run is in state running.
func (p pair) waitRunning(t *testing.T) {
	t.Helper()
	for range 200 {
		out, _ := p.arc(t, "ls", "runs", "--state", "running", "--json")
		if n, _ := lookup(string(out), "runs.len"); n == "1" {
			time.Sleep(100 * time.Millisecond) // so that the follower has its stream
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no run is running after 4 s")
}

func (p pair) killAriad(t *testing.T) {
	t.Helper()
	out, _ := p.arc(t, "info", "--json")
	text, ok := lookup(string(out), "pid")
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if !ok || err != nil || pid < 2 {
		t.Fatalf("arc info gives no pid: %s", out)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
