package test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRestart kills ariad while arc follows runs: they go on by themselves, do
// nothing twice, and arc hears of their ends over new connections.
func TestRestart(t *testing.T) {
	p := needPair(t)
	if out, code := p.arc(t, "upload", "testdata/restart"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	type ending struct {
		out  []byte
		code int
	}
	follow := func(unit, input string) chan ending {
		followed := make(chan ending, 1)
		go func() {
			out, code := p.arc(t, "run", unit, "--input", input, "--json", "-q")
			followed <- ending{out, code}
		}()
		return followed
	}
	runs := map[string]chan ending{
		`"rested"`: follow("nap.nap", `{"ms":1500}`),
		`10`:       follow("ten", `{"id":"a","ms":150}`),
		`20`:       follow("twice", `{"id":"b","ms":100}`),
	}
	p.waitRunning(t)
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		p.killAriad(t)
	}
	for want, followed := range runs {
		select {
		case e := <-followed:
			var r run
			if err := json.Unmarshal(e.out, &r); err != nil {
				t.Fatalf("exit code %d, not a run: %s", e.code, e.out)
			}
			if r.State != "done" || e.code != 0 || string(r.Output) != want {
				t.Errorf("ended as %s %s, %+v, exit code %d; want done with %s", r.State, r.Output, r.Error, e.code, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("arc did not come back within 30 s of the restart")
		}
	}
	for id, n := range map[string]int{"a": 10, "b": 20} {
		if r, _ := p.run(t, "steps.seen", fmt.Sprintf(`{"id":%q}`, id)); string(r.Output) != strconv.Itoa(n) {
			t.Errorf("%s was counted %s times, want %d (%+v)", id, r.Output, n, r.Error)
		}
	}
}

// waitRunning waits until some run is in state running.
func (p pair) waitRunning(t *testing.T) {
	t.Helper()
	for range 200 {
		out, _ := p.arc(t, "ls", "runs", "--state", "running", "--json")
		if n, _ := lookup(string(out), "runs.len"); n != "0" && n != "" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no run is running after 4 s")
}

func (p pair) killAriad(t *testing.T) {
	t.Helper()
	var pid int
	for range 200 { // it may just be coming up again
		out, _ := p.arc(t, "info", "--json")
		text, _ := lookup(string(out), "pid")
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n > 1 {
			pid = n
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if pid < 2 {
		t.Fatal("arc info gives no pid")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		t.Fatal(err)
	}
}
