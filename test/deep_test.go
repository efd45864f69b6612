package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// TestDeep has a person asked three levels below a pipeline, by a pipeline in a
// team in a team, kills everything while it waits, and answers then.
func TestDeep(t *testing.T) {
	p := needPair(t)
	if out, code := p.arc(t, "upload", "testdata/deep"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	for _, c := range []struct {
		shows, unit, input string
		deny               bool
		answered           bool   // by a person
		want               string // output
		times              string // the bottom was done
	}{
		{"agreed", "top", `{"id":"a","wait":"1h"}`, false, true, `{"id":"a","ok":true,"by":"ann"}`, "1"},
		{"denied", "top", `{"id":"b","wait":"1h"}`, true, true, `{"id":"b","ok":false,"by":"ann","reason":"no money"}`, "0"},
		{"nobody in time", "top", `{"id":"c","wait":"300ms"}`, false, false, `{"id":"c","ok":false,"timeout":true}`, "0"},
		{"an agent's tool, agreed", "buy", `{"text":"pay for tea"}`, false, true, `"paid"`, "1"},
	} {
		t.Run(c.shows, func(t *testing.T) {
			id := p.begin(t, c.unit, c.input)
			if c.answered {
				p.waits(t, id)
				p.killAriad(t)
				p.waits(t, id)
				for _, name := range []string{"quiltd engine", "ariad serve"} {
					if pid := p.Find(name); pid > 0 {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
				p.waits(t, id)
				args := []string{"approve", id, "--by", "ann"}
				if c.deny {
					args = append(args, "--deny", "--reason", "no money")
				}
				if out, code := p.arc(t, args...); code != 0 {
					t.Fatalf("approve: exit code %d: %s", code, out)
				}
			}
			r, err := p.toEnd(t, id)
			if err != nil || r.State != "done" || !sameJSON(string(r.Output), c.want) {
				t.Fatalf("%s %s %v (%v), want %s", r.GetState(), r.GetOutput(), r.GetError(), err, c.want)
			}
			key := map[string]string{"buy": "desk"}[c.unit]
			if key == "" {
				key = strings.Split(c.input, `"`)[3]
			}
			if r, _ := p.run(t, "till.times", fmt.Sprintf(`{"id":%q}`, key)); string(r.Output) != c.times {
				t.Errorf("the bottom was done %s times, want %s (%+v)", r.Output, c.times, r.Error)
			}
		})
	}
}

// TestCancelReachesAll cancels a run with calls at four levels below, running and
// waiting ones: all end, and no container is left.
func TestCancelReachesAll(t *testing.T) {
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("", "aria-deep-") // where the daemons' users can get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// Containers that are parked for others would be counted too.
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "quiltd.toml"), []byte("parked = 0\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	p := startPairIn(t, dir)
	if out, code := p.arc(t, "upload", "testdata/deep"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	id := p.begin(t, "doomed", `{"id":"x","wait":"1h"}`)
	p.waits(t, id) // the approval beside the containers that hang
	for range 400 {
		if p.containers(t) >= 2 {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if n := p.containers(t); n < 2 {
		t.Fatalf("%d containers hang, want 2 at least", n)
	}
	if out, code := p.arc(t, "cancel", id); code != 0 {
		t.Fatalf("cancel: exit code %d: %s", code, out)
	}
	all, err := p.Tasks.List(t.Context(), connect.NewRequest(&ariav1.ListRunsRequest{Limit: 100}))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all.Msg.Runs); n != 7 {
		t.Errorf("%d runs, want the pipeline, two teams, two pipelines and two tools", n)
	}
	for _, r := range all.Msg.Runs {
		if r.State != "cancelled" {
			t.Errorf("%s (%s) is %s after the cancel returned", r.Id, r.Unit, r.State)
		}
	}
	for range 200 {
		if p.containers(t) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := p.containers(t); n != 0 {
		t.Errorf("%d containers are left 2 s later", n)
	}
	waits, err := p.Tasks.Waits(t.Context(), connect.NewRequest(&ariav1.WaitsRequest{}))
	if err != nil || len(waits.Msg.Waits) != 0 {
		t.Errorf("still waiting: %v %v", waits, err)
	}
}

// begin starts a run and gives its id.
func (p pair) begin(t *testing.T, unit, input string) string {
	t.Helper()
	r, err := p.Tasks.Start(t.Context(), connect.NewRequest(&ariav1.StartRequest{Unit: unit, Input: []byte(input)}))
	if err != nil {
		t.Fatal(err)
	}
	return r.Msg.Run.Id
}

// waits until ariad is up and the run, or one that it called, waits for a person.
func (p pair) waits(t *testing.T, id string) {
	t.Helper()
	for range 800 {
		if p.asksBelow(t, id) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("nothing below %s waits for a person", id)
}

// asksBelow says whether the run, or one that it called, waits for a person now.
func (p pair) asksBelow(t *testing.T, id string) bool {
	w, err := p.Tasks.Why(t.Context(), connect.NewRequest(&ariav1.WhyRequest{Run: id}))
	if err != nil || w.Msg.For == "approval" {
		return err == nil
	}
	return w.Msg.For == "child" && slices.ContainsFunc(w.Msg.HeldBy, func(c string) bool { return p.asksBelow(t, c) })
}

// toEnd watches a run to its end, over restarts of ariad.
func (p pair) toEnd(t *testing.T, id string) (*ariav1.Run, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		r, err := p.Follow(ctx, id)
		if err == nil || ctx.Err() != nil {
			return r, err
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// containers are the processes that run in one.
func (p pair) containers(t *testing.T) int {
	t.Helper()
	n := 0
	for _, pid := range p.PIDs() {
		if system.InContainer(pid) {
			n++
		}
	}
	return n
}

func sameJSON(a, b string) bool {
	norm := func(s string) string {
		var v any
		if json.Unmarshal([]byte(s), &v) != nil {
			return s
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return norm(a) == norm(b)
}
