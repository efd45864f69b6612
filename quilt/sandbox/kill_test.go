package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// Another run of these tests may go on beside this one, so groups and host ids
// carry the number of the process that leads.
var (
	leader     = leaderPID()
	killCgroup = fmt.Sprint("aria-quilt-killtest-", leader)
	killIDs    = 400_000_000 + leader%1000*killIDRange
)

const killIDRange = 3_500_000

func leaderPID() int {
	if pid, err := strconv.Atoi(os.Getenv("SANDBOX_TEST_LEADER")); err == nil {
		return pid
	}
	return os.Getpid()
}

// launcherMain is this test binary as quiltd's root side.
func launcherMain(args []string) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := RunLauncher(LauncherConfig{
		EngineArgv: []string{"test", "test-engine", args[1]}, EngineUID: 65534, EngineGID: 65534,
		ImageDir: args[0], ImageDigest: "test", CgroupName: killCgroup, UIDBase: killIDs, Log: log,
	})
	fmt.Println("launcher ended:", err)
	os.Exit(0)
}

// engineMain starts containers that never end, says so, and sleeps, or leaves.
func engineMain(args []string) {
	c, err := Dial(os.NewFile(3, "launcher"))
	if err != nil {
		fmt.Println("dial:", err)
		os.Exit(1)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for _, key := range []string{"Uid:", "Groups:", "CapEff:", "CapPrm:", "CapBnd:", "NoNewPrivs:"} {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, key) {
				fmt.Println("engine", strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if args[0] == "storm" {
		storm(c)
	}
	for i := range 5 {
		p, err := NewPlan(Spec{ID: fmt.Sprint("k", i), Argv: []string{"/bin/bun", "-e",
			`console.log("up");new Worker("data:text/javascript,for(;;);");setInterval(()=>{},1e6)`}}, c.Hello())
		if err != nil {
			fmt.Println("plan:", err)
			os.Exit(1)
		}
		k, err := c.Start(context.Background(), p)
		if err != nil {
			fmt.Println("start:", err)
			os.Exit(1)
		}
		if _, err := bufio.NewReader(k.Stdout).ReadString('\n'); err != nil {
			fmt.Println("read:", err)
			os.Exit(1)
		}
	}
	fmt.Println("launcher", c.Hello().LauncherPID)
	fmt.Println("running", os.Getpid())
	if args[0] == "leave" {
		os.Exit(0)
	}
	time.Sleep(time.Hour)
}

// storm starts containers without end, four at a time, and never waits.
func storm(c *Client) {
	for i := range 4 {
		go func() {
			for n := 0; ; n++ {
				p, err := NewPlan(Spec{ID: fmt.Sprint("s", i, "-", n), Argv: []string{"/bin/bun", "-e", "setInterval(()=>{},1e6)"}}, c.Hello())
				if err != nil {
					return
				}
				k, err := c.Start(context.Background(), p)
				if err != nil {
					return
				}
				if n > 5 {
					k.Kill()
				}
			}
		}()
	}
	fmt.Println("launcher", c.Hello().LauncherPID)
	fmt.Println("running", os.Getpid())
	time.Sleep(time.Hour)
}

type pair struct {
	cmd              *exec.Cmd
	launcher, engine int
	lines            []string
	out              *bufio.Reader
}

func startPair(t *testing.T, image, how string) *pair {
	t.Helper()
	p := &pair{cmd: exec.Command("/proc/self/exe", "test-launcher", image, how)}
	p.cmd.Stderr = os.Stderr
	p.cmd.Env = append(os.Environ(), fmt.Sprint("SANDBOX_TEST_LEADER=", leader))
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	p.out = bufio.NewReader(pipe)
	for p.engine == 0 {
		line, err := p.out.ReadString('\n')
		if err != nil {
			t.Fatalf("pair did not start: %v after %q", err, p.lines)
		}
		p.lines = append(p.lines, strings.TrimSpace(line))
		f := strings.Fields(line)
		switch f[0] {
		case "launcher":
			p.launcher, _ = strconv.Atoi(f[1])
		case "running":
			p.engine, _ = strconv.Atoi(f[1])
		}
	}
	return p
}

// containersOf counts processes whose host uid lies in the pair's id ranges.
func containersOf(t *testing.T) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range dirs {
		b, err := os.ReadFile(d + "/status")
		if err != nil || strings.Contains(string(b), "State:\tZ") {
			continue // a zombie is dead; whoever inherits orphans here may be slow to say so
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if f[0] == "Uid:" {
				if uid, _ := strconv.Atoi(f[1]); uid >= killIDs && uid < killIDs+killIDRange {
					n++
				}
			}
		}
	}
	return n
}

// helpersOf counts processes that carry the launcher's command line: it and
// whatever it forked without exec.
func helpersOf(image string) int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	n := 0
	for _, d := range dirs {
		if b, err := os.ReadFile(d + "/cmdline"); err == nil && strings.Contains(string(b), image) {
			n++
		}
	}
	return n
}

func groupsOf(t *testing.T, name string) []string {
	t.Helper()
	m, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	h, err := findHierarchy(string(m), string(self), name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range append(h.dirs(), h.top) { // top: where a launcher goes that is not alone in its group
		if d == "" {
			continue
		}
		found, _ := filepath.Glob(filepath.Join(d, name+".*"))
		out = append(out, found...)
	}
	return out
}

func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	within = testenv.Patience(within)
	end := time.Now().Add(within)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func dead(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || strings.Contains(string(b), "State:\tZ")
}

// TestKillEitherSide: whoever dies, however, no process of a container lives
// on, and groups are gone at once or after the next start.
func TestKillEitherSide(t *testing.T) {
	testenv.NeedRoot(t)
	image := filepath.Join(t.TempDir(), "image")
	if err := testImage(testenv.Bun(t), image); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		how    string
		victim func(p *pair) int
		sig    syscall.Signal
		leaves bool // groups may stay until the next start
	}{
		{"engine killed", "stay", func(p *pair) int { return p.engine }, syscall.SIGKILL, false},
		{"launcher killed", "stay", func(p *pair) int { return p.launcher }, syscall.SIGKILL, true},
		{"engine leaves", "leave", nil, 0, false},
		{"asked to stop", "stay", func(p *pair) int { return p.launcher }, syscall.SIGTERM, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := startPair(t, image, c.how)
			checkEngine(t, p.lines)
			if c.victim != nil {
				if n := containersOf(t); n != 5 {
					t.Fatalf("%d containers run, want 5", n)
				}
				if err := syscall.Kill(c.victim(p), c.sig); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			eventually(t, time.Second, "no container process left", func() bool { return containersOf(t) == 0 })
			t.Logf("containers gone after %v", time.Since(began).Round(time.Millisecond))
			eventually(t, time.Second, "engine gone", func() bool { return dead(p.engine) })
			t.Logf("engine gone after %v", time.Since(began).Round(time.Millisecond))
			p.cmd.Wait()
			if left := groupsOf(t, killCgroup); len(left) > 0 && !c.leaves {
				t.Errorf("groups left: %v", left)
			}
		})
	}
	t.Run("next start sweeps", func(t *testing.T) {
		p := startPair(t, image, "stay")
		if err := syscall.Kill(p.launcher, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait()
		eventually(t, time.Second, "no container process left", func() bool { return containersOf(t) == 0 })
		if len(groupsOf(t, killCgroup)) == 0 {
			t.Fatal("a killed launcher left no group, so this test shows nothing")
		}
		p = startPair(t, image, "leave")
		p.cmd.Wait()
		if left := groupsOf(t, killCgroup); len(left) > 0 {
			t.Errorf("not swept: %v", left)
		}
	})
}

// TestKillInTheStorm kills a side while containers are being made, at a
// different moment each time: no start may be caught half-way.
func TestKillInTheStorm(t *testing.T) {
	testenv.NeedRoot(t)
	image := filepath.Join(t.TempDir(), "image")
	if err := testImage(testenv.Bun(t), image); err != nil {
		t.Fatal(err)
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		p := startPair(t, image, "storm")
		time.Sleep(time.Duration(3+7*round) * time.Millisecond)
		victim := p.launcher
		if round%3 == 2 {
			victim = p.engine
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait()
		eventually(t, time.Second, "no container process left", func() bool { return containersOf(t) == 0 })
		eventually(t, time.Second, "nothing that holds our pipe", func() bool {
			p.cmd.Wait()
			return dead(p.engine) && dead(p.launcher) && helpersOf(image) == 0
		})
	}
	p := startPair(t, image, "leave")
	p.cmd.Wait()
	if left := groupsOf(t, killCgroup); len(left) > 0 {
		t.Errorf("groups left: %v", left)
	}
}

// checkEngine looks at what the engine said of itself: no privilege at all.
func checkEngine(t *testing.T, lines []string) {
	t.Helper()
	all := strings.Join(lines, "\n") + "\n"
	for _, want := range []string{
		"engine Uid: 65534 65534 65534 65534\n", "engine Groups:\n", "engine CapEff: 0000000000000000\n",
		"engine CapPrm: 0000000000000000\n", "engine CapBnd: 0000000000000000\n", "engine NoNewPrivs: 1\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("engine did not report %q; it said:\n%s", want, all)
		}
	}
}
