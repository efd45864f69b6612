package sandbox

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

func TestMemoryBomb(t *testing.T) {
	o := runCode(t, Spec{MemoryBytes: 96 << 20}, `const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))`)
	if !o.exit.OOM || o.exit.Signal != 9 {
		t.Errorf("%+v, want OOM and signal 9; stderr %s", o.exit, o.stderr)
	}
	if o.exit.PeakMemory < 80<<20 || o.exit.PeakMemory > 96<<20 {
		t.Errorf("peak memory %d", o.exit.PeakMemory)
	}
}

// TestTmpIsCharged: a full /tmp counts as the container's memory.
func TestTmpIsCharged(t *testing.T) {
	o := runCode(t, Spec{MemoryBytes: 96 << 20, TmpBytes: 200 << 20}, `for(let i=0;i<200;i++)require("fs").writeFileSync("/tmp/f"+i,Buffer.alloc(1<<20,1))`)
	if !o.exit.OOM {
		t.Errorf("%+v, want OOM", o.exit)
	}
}

// TestForkBomb: the process limit holds, is reported, and the container is gone
// soon after it is killed, though every process of it still forks.
func TestForkBomb(t *testing.T) {
	c := sharedClient(t)
	k := begin(t, c, Spec{Argv: attack("forks")}, "")
	eventually(t, 10*time.Second, "the bomb to reach its limit", someHitPids)
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	o := end(t, k)
	took := time.Since(began)
	// Each process is in the middle of copying itself when it is killed, and the
	// kernel finishes that first: 64 copies, on a machine that has other work.
	if took > testenv.Patience(3*time.Second) {
		t.Errorf("removed after %v, more than 3 s", took)
	}
	t.Logf("removed after %v", took)
	if !o.exit.PidsHit || o.exit.Signal != 9 {
		t.Errorf("%+v, want PidsHit and signal 9; stderr %.300s", o.exit, o.stderr)
	}
}

// someHitPids is true when a live container has met its limit of processes.
func someHitPids() bool {
	l := shared.launcher
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.live {
		if r.slot.group.usage().PidsHit {
			return true
		}
	}
	return false
}

// TestSpawnBomb: Bun itself at the limit. It gives up; the reason is reported.
func TestSpawnBomb(t *testing.T) {
	o := runCode(t, Spec{Pids: 16}, `for(let i=0;i<60;i++)Bun.spawn(["/bin/bun","-e","setTimeout(()=>{},60000)"])`)
	if !o.exit.PidsHit || o.exit.Code == 0 {
		t.Errorf("%+v, want PidsHit and a failure; stderr %.300s", o.exit, o.stderr)
	}
}

func TestCPUQuota(t *testing.T) {
	c := sharedClient(t)
	began := time.Now() // Bun's start counts too, which takes a second in an emulator
	k := begin(t, c, Spec{CPUMillis: 200}, `for(;;);`)
	time.Sleep(1500 * time.Millisecond)
	// Before it is killed: what dies has no quota, so that it is gone sooner.
	used := shared.launcher.find(k.n).slot.group.usage().CPU
	// The quota is per period of 100 ms.
	got := used.Seconds() / time.Since(began).Seconds()
	if got > 0.2*1.2 || got < 0.05 {
		t.Errorf("used %.0f thousandths of a processor, quota 200 (%s)", got*1000, used)
	}
	t.Logf("%.0f thousandths of a processor, quota 200", got*1000)
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if o := end(t, k); o.exit.CPU < used {
		t.Errorf("%s at its end, %s before", o.exit.CPU, used)
	}
}

func TestExitAndKill(t *testing.T) {
	c := sharedClient(t)
	for _, x := range []struct {
		name, code string
		kill       bool
		want       Exit
	}{
		{"exit code", `process.exit(7)`, false, Exit{Code: 7}},
		{"throws", `throw new Error("x")`, false, Exit{Code: 1}},
		{"killed in a loop", `for(;;);`, true, Exit{Code: 137, Signal: 9}},
		{"killed in a blocking read", `require("fs").readSync(3,Buffer.alloc(1))`, true, Exit{Code: 137, Signal: 9}},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := begin(t, c, Spec{}, x.code)
			if x.kill {
				time.Sleep(30 * time.Millisecond)
				if err := k.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			o := end(t, k)
			if o.exit.Code != x.want.Code || o.exit.Signal != x.want.Signal {
				t.Errorf("%+v, want %+v", o.exit, x.want)
			}
			if err := k.Kill(); err != nil {
				t.Errorf("kill after the end: %v", err)
			}
		})
	}
}

// TestControl: both directions of the harness socket, and its end.
func TestControl(t *testing.T) {
	c := sharedClient(t)
	k := begin(t, c, Spec{}, `const fs=require("fs");const b=Buffer.alloc(5);fs.readSync(3,b);fs.writeSync(3,b.reverse());`)
	if _, err := k.Control.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	n, err := k.Control.Read(b)
	if err != nil || string(b[:n]) != "olleh" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if n, err := k.Control.Read(b); n != 0 || err == nil {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
	end(t, k)
}

// TestCancelledStart leaves nothing.
func TestCancelledStart(t *testing.T) {
	c := sharedClient(t)
	p, err := NewPlan(Spec{ID: nextID(), Argv: []string{"/bin/bun", "-e", "for(;;);"}}, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Microsecond)
		if k, err := c.Start(ctx, p); err == nil {
			k.Kill()
			end(t, k)
			k.Close()
		}
		cancel()
	}
	eventually(t, 2*time.Second, "no live container", func() bool {
		s, err := c.Stats(t.Context())
		return err == nil && s.Live == 0
	})
}

// TestNothingLeaks: after two hundred containers, in turn and at once, the
// machine is as it was after the first ten.
func TestNothingLeaks(t *testing.T) {
	c := sharedClient(t)
	settle := func() string { return settled(t, c) }
	burst := func(n int) {
		var all []*Container
		for range n {
			all = append(all, begin(t, c, Spec{}, `0`))
		}
		for _, k := range all {
			if o := end(t, k); o.exit.Code != 0 {
				t.Fatalf("%+v %s", o.exit, o.stderr)
			}
			k.Close()
		}
	}
	burst(16)
	time.Sleep(50 * time.Millisecond)
	before := settle()
	single, bursts := 120, 5
	if testing.Short() { // an emulated processor takes a second for each
		single, bursts = 12, 1
	}
	for range single {
		burst(1)
	}
	for range bursts {
		burst(16)
	}
	time.Sleep(50 * time.Millisecond)
	if after := settle(); after != before {
		t.Errorf("before: %s; after: %s", before, after)
	}
	t.Log(before)
}

// countMounts counts what this process sees mounted, without what tests of other
// packages mount at the same time in the folder for temporary files.
func countMounts(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		at := strings.Fields(line)[4] // proc_pid_mountinfo(5): the mount point
		if !strings.HasPrefix(at, os.TempDir()) || strings.Contains(at, "sandbox-test") {
			n++
		}
	}
	return n
}

func countGroups(t *testing.T) int {
	n := 0
	for _, base := range groupsOf(t, testCgroup) {
		entries, err := os.ReadDir(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				n++
			}
		}
	}
	return n
}

// TestJIT: hardening must not switch Bun's compiler off, which it does silently
// when it cannot have executable memory.
func TestJIT(t *testing.T) {
	rounds := "3e7"
	if testing.Short() { // an emulated processor
		rounds = "4e6"
	}
	hot := `let s=0;const f=i=>Math.sqrt(i)*(i%7);const t=performance.now();for(let i=0;i<` + rounds + `;i++)s+=f(i);console.log(JSON.stringify(performance.now()-t))`
	o := runCode(t, Spec{CPUMillis: 2000}, hot)
	var on float64
	if err := json.Unmarshal([]byte(o.stdout), &on); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	o = runCode(t, Spec{CPUMillis: 2000, Env: []string{"BUN_JSC_useJIT=0"}}, hot)
	var off float64
	if err := json.Unmarshal([]byte(o.stdout), &off); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	if on*3 > off {
		t.Errorf("hot loop %.0f ms with the JIT, %.0f ms without: the JIT is off", on, off)
	}
}
