package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// maxParked is what a parked container may add to the memory that is in use,
// the kernel's share included.
const maxParked = 5 << 20

// TestParked parks many containers at once (ARIA_PARKED_N, else 40), with the
// real harness, says what one takes, ends them all, and finds nothing left.
func TestParked(t *testing.T) {
	c := sharedClient(t)
	n := 40
	if v, err := strconv.Atoi(os.Getenv("ARIA_PARKED_N")); err == nil {
		n = v
	}
	park(t, c, 4) // what the first ones take, all share
	before, used := settled(t, c), available(t)
	began := time.Now()
	boxes := park(t, c, n)
	took := time.Since(began)
	time.Sleep(500 * time.Millisecond)
	each := (used - available(t)) / int64(n)
	private := privateBytes(t, shared.launcher.find(boxes[n/2].n).pid)
	if st, err := c.Stats(t.Context()); err != nil || st.Live != n {
		t.Errorf("%d live of %d, %v", st.Live, n, err)
	}
	began = time.Now()
	release(t, boxes)
	freed := time.Since(began)
	leaked := 0
	if after := settled(t, c); after != before {
		leaked = 1
		t.Errorf("before: %s; after: %s", before, after)
	}
	if private > maxParked {
		t.Errorf("a parked container has %d KiB of its own, promised %d", private>>10, maxParked>>10)
	}
	lastLine = fmt.Sprintf("parked: %d at once in %d ms, %.1f MiB each of the machine's memory, %.1f MiB private, gone in %d ms, leaked %d",
		n, took.Milliseconds(), float64(each)/(1<<20), float64(private)/(1<<20), freed.Milliseconds(), leaked)
	t.Log(lastLine)
}

// park starts n containers and waits until each harness says that it is ready.
// The last ones of a call with few are ended again.
func park(t *testing.T, c *Client, n int) []*Container {
	t.Helper()
	boxes := make([]*Container, n)
	slots := make(chan struct{}, 4)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p, err := NewPlan(Spec{ID: nextID(), Env: []string{"ARIA_PARKED=1"}}, c.Hello())
			if err != nil {
				t.Error(err)
				return
			}
			k, err := c.Start(t.Context(), p)
			if err != nil {
				t.Error(err)
				return
			}
			boxes[i] = k
			head := make([]byte, 4+len(`{"t":"ready"}`))
			_ = k.Control.SetReadDeadline(time.Now().Add(testenv.Patience(30 * time.Second)))
			if _, err := io.ReadFull(k.Control, head); err != nil || !strings.Contains(string(head), "ready") {
				text, _ := io.ReadAll(io.LimitReader(k.Stderr, 400))
				t.Errorf("not ready: %q, %v, %s", head, err, text)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if n <= 4 {
		release(t, boxes)
	}
	return boxes
}

func release(t *testing.T, boxes []*Container) {
	t.Helper()
	for _, k := range boxes {
		if err := k.Kill(); err != nil {
			t.Error(err)
		}
	}
	for _, k := range boxes {
		if _, err := k.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		k.Close()
	}
}

// available is the memory that the machine could still give, in bytes.
func available(t *testing.T) int64 {
	t.Helper()
	return readCount("/proc/meminfo", "MemAvailable:") << 10
}

// privateBytes is what a process shares with nobody.
func privateBytes(t *testing.T, pid int) int64 {
	t.Helper()
	path := filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup")
	return (readCount(path, "Private_Clean:") + readCount(path, "Private_Dirty:")) << 10
}
