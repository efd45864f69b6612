package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Whichever side is killed, the containers go with it. The launcher starts
// another engine by itself, on the same data under a higher epoch; with the
// launcher the engine goes too.
func TestKilledSidesLeaveNothing(t *testing.T) {
	data := dataDir(t)
	for round, side := range []string{"engine", "launcher"} {
		p := startPair(t, data)
		st, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(2*round + 1); st.Epoch != want {
			t.Errorf("start %d has epoch %d, want %d", round+1, st.Epoch, want)
		}
		done := make(chan bool, 5)
		for i := range 5 {
			go func() {
				got, err := p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: fmt.Sprint("k", i), Code: unit(`for (;;);`)})
				// The engine may live long enough to say that its launcher is gone.
				done <- err == nil && got.ended.GetReason() != "internal"
			}()
		}
		waitFor(t, func() bool { return len(descendants(int(st.LauncherPid))) >= 6 })
		family := descendants(int(st.LauncherPid))
		pid := st.Pid
		if side == "launcher" {
			pid = st.LauncherPid
			family = append(family, int(pid))
		}
		syscall.Kill(int(pid), syscall.SIGKILL)
		for range 5 {
			if <-done {
				t.Error("a stream of a killed quiltd ended as if all were well")
			}
		}
		if side == "launcher" {
			p.cmd.Wait()
			p.cmd = nil
		}
		waitFor(t, func() bool { return alive(family) == 0 })
		if side == "engine" {
			if got := p.must(t, &quiltv1.ExecuteRequest{Execution: "again", Code: unit(`return 1`)}); got.result != "1" {
				t.Errorf("after the engine's crash: %v", got.ended)
			}
			p.stop(t)
		}
	}
	p := startPair(t, data)
	if got := p.must(t, &quiltv1.ExecuteRequest{Execution: "after", Code: unit(`return 1`)}); got.result != "1" {
		t.Errorf("after the crashes: %v", got.ended)
	}
}

// holdings is what quiltd has open.
type holdings struct {
	*quiltv1.StatusResponse
	// namespaces are the launcher's open user namespaces. It keeps each for a
	// container to come, so there are as many as were ever in use at once: one more
	// where a container began before the one before it was wholly removed.
	namespaces int64
}

func (h holdings) sum() int64 { return h.OpenFiles + h.Goroutines + h.LauncherOpenFiles }

// namespacesAtMost are in use by containers that come one after the other: those of
// the prepared slots, one that is being prepared, and the last few containers.
const namespacesAtMost = 9

// settled is the least that quiltd holds within two seconds: what is on its way
// out, or made ready for the next start, may be there for a moment.
func (p *pair) settled(t *testing.T) (least holdings) {
	t.Helper()
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		st, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if now := (holdings{st, userNamespaces(t, st.LauncherPid)}); least.StatusResponse == nil || now.sum() < least.sum() {
			least = now
		}
	}
	return least
}

// userNamespaces counts those that a process has open.
func userNamespaces(t *testing.T, pid int64) (n int64) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if to, err := os.Readlink(dir + e.Name()); err == nil && strings.HasPrefix(to, "user:[") {
			n++
		}
	}
	return n
}

// more says what of the second is more than of the first.
func more(first, last holdings) (out []string) {
	for _, c := range []struct {
		what        string
		first, last int64
	}{
		{"open files of the engine", first.OpenFiles, last.OpenFiles},
		{"goroutines", first.Goroutines, last.Goroutines},
		{"open files of the launcher but for user namespaces", first.LauncherOpenFiles - first.namespaces, last.LauncherOpenFiles - last.namespaces},
		{"user namespaces of the launcher", namespacesAtMost, last.namespaces},
	} {
		if c.last > c.first {
			out = append(out, fmt.Sprintf("%s: %d, and then %d", c.what, c.first, c.last))
		}
	}
	return out
}

// Executions one after the other leave nothing open behind.
func TestCyclesLeakNothing(t *testing.T) {
	// How many are parked varies from moment to moment, and each has files open.
	p := startPair(t, dataDir(t), "-parked", "0")
	cycle := func(n int) holdings {
		for i := range n {
			if got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("c", i), Tokens: []string{"kv:a:rw"}, Code: unit(`console.log(a); return a`), Input: []byte(`[1]`)}); got.result != "1" {
				t.Fatalf("cycle %d: %v", i, got.ended)
			}
		}
		return p.settled(t)
	}
	first := cycle(20)
	last := cycle(60)
	for _, m := range more(first, last) {
		t.Errorf("after 20 executions, and after 80: %s", m)
	}
	t.Logf("engine %d MiB, launcher %d MiB resident", last.ResidentBytes>>20, last.LauncherResidentBytes>>20)
}

// descendants lists the processes below pid.
func descendants(pid int) []int {
	parents := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// "pid (comm) state ppid …"; comm may hold anything but ends at the last ).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		parents[parent] = append(parents[parent], child)
	}
	var out []int
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		out = append(out, parents[todo[0]]...)
		todo = append(todo, parents[todo[0]]...)
	}
	return out
}

func alive(pids []int) (n int) {
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			n++
		}
	}
	return n
}
