package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	h := build(t, dir, shop(), func(c *Config) { c.Tools = 1 })
	h.upload("1.0.0")
	running, err := h.start(&ariav1.StartRequest{Unit: "shop.hang", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"B"}`)})
	if err != nil || waiting.State != "pending" {
		t.Fatalf("%v %v", waiting, err)
	}
	h.stop()

	h = build(t, dir, shop(), nil)
	h.executed(1)
	h.journaled(running.Id, 4) // quiltd was asked before its answer was heard
	if r, err := h.inner.Cancel(t.Context(), task.ID(running.Id), ""); err != nil || r.State != task.Cancelled {
		t.Errorf("what was going on goes on: %v %v", r, err)
	}
	if k := kinds(h.events(running.Id, 0)); k != "accepted started resumed started ended" {
		t.Errorf("events of what was going on: %s", k)
	}
	if got := h.ended(waiting.Id); got.State != task.Done {
		t.Errorf("what waited: %s %v", got.State, got.Error)
	}
	if k := kinds(h.events(waiting.Id, 0)); !strings.HasPrefix(k, "accepted queued") || !strings.HasSuffix(k, "started log ended") {
		t.Errorf("events of what waited: %s", k)
	}
}

// journaled waits until a run has n events.
func (h *house) journaled(run string, n uint64) {
	h.t.Helper()
	for range 1000 {
		if r, err := h.inner.Get(h.t.Context(), task.ID(run)); err == nil && r.LastSeq >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.t.Fatalf("%s has no event %d after 5 s", run, n)
}

// executed waits until quiltd was asked for n executions.
func (h *house) executed(n int) {
	h.t.Helper()
	for range 1000 {
		if len(h.peer.requests()) >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.t.Fatalf("%d executions after 5 s, not %d", len(h.peer.requests()), n)
}

func TestQuiltGoesAway(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "shop.hang", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for len(h.peer.requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	h.quilt.Stop()
	time.Sleep(50 * time.Millisecond)
	h.quilt = h.peer.serve(t, h.dir+"/q.sock")
	h.executed(2)
	if r, err := h.inner.Cancel(t.Context(), task.ID(run.Id), ""); err != nil || r.State != task.Cancelled {
		t.Errorf("in the middle, it goes on: %v %v", r, err)
	}
	h.quilt.Stop()
	run, err = h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	h.quilt = h.peer.serve(t, h.dir+"/q.sock")
	if got := h.ended(run.Id); got.State != task.Done {
		t.Errorf("not yet begun, it waits for quiltd: %s %v", got.State, got.Error)
	}
}
