package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// draft is a container on its way to exec, before one wall is taken from it.
type draft struct {
	plan     Plan
	settings []setting
	flags    uint64
	program  *program
	template *template
	outside  bool // not born in its group (v2)
}

// wall is one thing that holds a container, and how to take it away. Only
// tests can: a launcher computes its plan itself.
type wall struct {
	name   string
	plan   func(d *draft) // before the plan becomes system calls
	remove func(d *draft) // after
}

// TestWalls takes each wall away in turn. At least one case of the catalogue
// must notice; a start that is refused has noticed too.
func TestWalls(t *testing.T) {
	all, missing, second, in := 0, 0, 0, 0
	for _, p := range profiles {
		if p.noJIT || p.apart {
			continue // the same but for its guards, which TestNoJIT looks at; and the same program
		}
		in++
		t.Run(p.name, func(t *testing.T) {
			n, missed := wallsAll(t, p)
			all, missing = all+n, missing+len(missed)
			for _, m := range missed {
				if other := behind(m); other != "" {
					second++
					t.Logf("%-40s not noticed: %s stands behind it here", m, other)
					continue
				}
				t.Error("not noticed:", m)
			}
			if n < 50 {
				t.Errorf("only %d walls were taken away", n)
			}
		})
	}
	lastLine = fmt.Sprintf("walls: %d of %d removals noticed, in %d profiles", all-missing, all, in)
	if second > 0 {
		lastLine += fmt.Sprintf(", %d have a wall of this machine's own behind them", second)
	}
}

func wallsAll(t testing.TB, in profile) (n int, missed []string) {
	sharedClient(t)
	canary(t)
	if wrong, err := attackDraft(t, in, wall{name: "none"}); err != nil || len(wrong) > 0 {
		t.Fatalf("with every wall in place: %v, %v", wrong, err)
	}
	for _, w := range walls(in) {
		n++
		wrong, err := attackDraft(t, in, w)
		switch {
		case err != nil:
			t.Logf("%-40s refused: %v", w.name, err)
		case len(wrong) == 0:
			missed = append(missed, w.name)
		default:
			t.Logf("%-40s %d cases, first: %v", w.name, len(wrong), wrong[0])
		}
	}
	return n, missed
}

// behind names what else refuses a call on this machine, with the same error as our
// filter: then no case can tell which of the two has answered.
func behind(wall string) string {
	set := func(name string, off int64) string {
		path := "/proc/sys/kernel/" + name
		if _, err := os.Stat(path); err == nil && readCount(path, "") != off {
			return "kernel." + name
		}
		return ""
	}
	switch wall {
	case "filter, guard of clone", "filter, call unshare user":
		return set("unprivileged_userns_clone", 1) // Debian's
	case "filter, call bpf":
		return set("unprivileged_bpf_disabled", 0)
	case "filter, call open_by_handle_at":
		var major, minor int
		if _, err := fmt.Sscanf(shared.launcher.host.Kernel, "%d.%d", &major, &minor); err == nil && (major < 6 || major == 6 && minor < 11) {
			return "Linux before 6.11, which asks for CAP_DAC_READ_SEARCH"
		}
	}
	return ""
}

// errRefused marks a start that failed closed.
var errRefused = errors.New("start refused")

// attackDraft runs the attacker and the look from outside against a container
// without w.
func attackDraft(t testing.TB, in profile, w wall) ([]finding, error) {
	t.Helper()
	l := shared.launcher
	sl := <-l.slots.ready
	if sl.failure != nil {
		t.Fatal(sl.failure)
	}
	spec := Spec{ID: "wall", Net: in.net, Argv: []string{"/bin/attacker", "attacker", strconv.Itoa(os.Getpid())}}
	if in.claimed {
		spec.Argv = slices.Insert(spec.Argv, 1, "hold")
	}
	plan, err := NewPlan(spec, l.host)
	if err != nil {
		t.Fatal(err)
	}
	whole := plan
	plan.Mounts = slices.Clone(plan.Mounts)
	d := &draft{plan: plan, settings: limitSettings(l.tree.version, plan.Cgroup), flags: cloneFlags, template: l.template}
	if w.plan != nil {
		w.plan(d)
	}
	ours, theirs, err := pipes()
	if err != nil {
		t.Fatal(err)
	}
	for i := range theirs {
		theirs[i] = highFD(theirs[i])
	}
	null := highFD(must(unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)))
	d.program = compile(d.plan, held{tasks: sl.tasks, netns: sl.netns, userns: sl.users.fd, null: null,
		stdout: theirs[0], stderr: theirs[1], control: theirs[2], creator: l.template.creator, id: sl.users.id, lastCap: l.lastCap})
	if w.remove != nil {
		w.remove(d)
	}
	in.ready(t, sl, d)
	done := make(chan cloneResult, 1)
	dir := sl.dir
	if d.outside {
		dir = -1
	}
	d.template.begin()
	d.template.jobs <- cloneJob{d.program, dir, d.flags, done}
	r := <-done
	closeAll(append(theirs, null))
	defer func() {
		for _, f := range ours {
			f.Close()
		}
		if err := l.slots.discard(sl); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}()
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, r.err)
	}
	defer func() {
		_ = unix.PidfdSendSignal(r.pidfd, unix.SIGKILL, nil, 0)
		reap(r.pidfd)
		unix.Close(r.pidfd)
		sl.group.killAll()
		sl.group.hasten()
	}()
	if in.claimed { // as claim does, with what is left of the limits
		if err := sl.group.change(d.settings); err != nil {
			t.Fatal(err)
		}
		if _, err := ours[2].Write([]byte{0}); err != nil {
			return nil, fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	var got map[string]string
	ours[0].SetReadDeadline(time.Now().Add(testenv.Patience(10 * time.Second)))
	if err := json.NewDecoder(ours[0]).Decode(&got); err != nil {
		return nil, fmt.Errorf("%w: the program did not get through: %w", errRefused, err)
	}
	_, wrong := judge(got, in.right(probes()))
	_, more := judge(outsideView(r.pid, sl), outsideProbes(whole, sl))
	return append(wrong, more...), nil
}

// ready is what a container of this profile finds when it begins: its gate, and its
// limits, or those that it was parked with.
func (p profile) ready(t testing.TB, sl *slot, d *draft) {
	t.Helper()
	settings := d.settings
	if p.claimed {
		parked, err := NewPlan(Spec{ID: "parked", MemoryBytes: 77 << 20, Pids: 33, CPUMillis: 777, IOBytes: 77 << 20, IOOps: 777}, shared.launcher.host)
		if err != nil {
			t.Fatal(err)
		}
		settings = limitSettings(shared.launcher.tree.version, parked.Cgroup)
	}
	if err := sl.group.apply(settings); err != nil {
		t.Fatal(err)
	}
	if p.net {
		if err := openGate(sl.gate); err != nil {
			t.Fatal(err)
		}
		unix.Close(sl.gate) // nobody listens
		sl.gate = -1
	}
}

// killAll ends what a container without its pid namespace leaves.
func (g *cgroup) killAll() {
	for range 3 {
		b, _ := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
		for p := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(p); err == nil && pid > 1 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

func must(fd int, err error) int {
	if err != nil {
		panic(err)
	}
	return fd
}

// without drops every operation whose name begins so.
func without(names ...string) func(*draft) {
	return func(d *draft) {
		d.program.ops = slices.DeleteFunc(d.program.ops, func(o op) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(o.name, n) })
		})
	}
}
