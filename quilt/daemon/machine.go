package daemon

import (
	"context"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/version"
	"github.com/ariacomputecompany/firmware/quilt/api"
	"github.com/ariacomputecompany/firmware/quilt/engine"
	"github.com/ariacomputecompany/firmware/quilt/image"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// machine is the launcher as the engine sees it.
type machine struct {
	client *sandbox.Client
	ca     bool // the image holds further roots for TLS
	noJIT  bool
}

func (m machine) Isolation() string {
	if m.noJIT {
		return m.client.Hello().Isolation + ", no JIT"
	}
	return m.client.Hello().Isolation
}

func (m machine) Image() string { return m.client.Hello().ImageDigest }

func (m machine) Start(ctx context.Context, s engine.Spec) (*engine.Container, error) {
	plan, err := sandbox.NewPlan(m.spec(s), m.client.Hello())
	if err != nil {
		return nil, err
	}
	c, err := m.client.Start(ctx, plan)
	if err != nil {
		return nil, err
	}
	return m.container(c, s.Loads), nil
}

// container is c as the engine sees it.
func (m machine) container(c *sandbox.Container, loads bool) *engine.Container {
	return &engine.Container{
		Number: c.N(), Leave: c.Leave, Gate: listener(c.Gate),
		Control: c.Control, Stdout: c.Stdout, Stderr: c.Stderr, Start: "cold", Kill: c.Kill, End: c.End,
		Claim: func(ctx context.Context, s engine.Spec) error {
			s.Parked, s.Loads = true, loads
			plan, err := sandbox.NewPlan(m.spec(s), m.client.Hello())
			if err != nil {
				return err
			}
			return c.Claim(ctx, plan)
		},
		Booted: c.Booted,
		Wait: func(ctx context.Context) (engine.Exit, error) {
			exit, err := c.Wait(ctx)
			c.Pidfd.Close()
			// Whoever only stops waiting leaves it to the next engine.
			if c.Gate != nil && (err == nil || ctx.Err() == nil) {
				c.Gate.Close()
			}
			return engine.Exit{Code: exit.Code, Signal: exit.Signal, OOM: exit.OOM, PidsHit: exit.PidsHit, CPU: exit.CPU, PeakMemory: exit.PeakMemory}, err
		},
	}
}

func (m machine) spec(s engine.Spec) sandbox.Spec {
	out := sandbox.Spec{ID: s.ID, MemoryBytes: s.MemoryBytes, Pids: s.Pids, CPUMillis: s.CPUMillis, TmpBytes: s.TmpBytes, Net: s.Net, NoJIT: m.noJIT}
	switch { // sdk/src/harness/warm.ts
	case s.Loads:
		out.Env = append(out.Env, "ARIA_PARKED=load")
	case s.Parked:
		out.Env = append(out.Env, "ARIA_PARKED=1")
	}
	if s.Net && m.ca {
		out.Env = append(out.Env, "NODE_EXTRA_CA_CERTS="+image.CAPath)
	}
	return out
}

// listener serves the gate's descriptor, which stays open beside it for an
// engine that comes after this one. nil: there is none, and nobody answers.
func listener(f *os.File) net.Listener {
	if f == nil {
		return nil
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil
	}
	return l
}

// fitsParked: what is fixed before exec cannot be changed by a claim. Without control
// groups no limit can.
func (m machine) fitsParked(s engine.Spec) bool {
	usual := func(v, def int64) bool { return v == 0 || v == def }
	if m.client.Hello().CgroupVersion == 0 && !(usual(s.MemoryBytes, sandbox.DefaultMemoryBytes) && usual(s.Pids, sandbox.DefaultPids)) {
		return false
	}
	return usual(s.TmpBytes, sandbox.DefaultTmpBytes)
}

// parkedBytes is what one parked container takes, with what the kernel keeps for it.
const parkedBytes = 5 << 20

// roomParked lets the pool have an eighth of the memory that is free now.
func roomParked() int {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return int(kib << 10 / 8 / parkedBytes)
		}
	}
	return 0
}

func facts(ctx context.Context, launcher *sandbox.Client, data *store.Store, pool *pools, loaded *warm, bun string) (api.Facts, error) {
	stats, err := launcher.Stats(ctx)
	if err != nil {
		return api.Facts{}, err
	}
	host := launcher.Hello()
	parked := 0
	if pool != nil {
		parked = pool.plain.Parked() + pool.net.Parked()
	}
	if loaded.Warm != nil {
		parked += loaded.Parked()
	}
	return api.Facts{
		Parked:  parked,
		Version: version.Version, Bun: bun, Cgroup: "v" + strconv.Itoa(host.CgroupVersion), Epoch: data.Epoch(),
		PID: os.Getpid(), Goroutines: runtime.NumGoroutine(), OpenFiles: openFiles(), Resident: resident(),
		LauncherPID: host.LauncherPID, LauncherFiles: int64(stats.FDs), LauncherSize: stats.RSSBytes,
	}, nil
}

func openFiles() int64 {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return int64(len(list) - 1) // without the one that reads the folder
}

// resident is our memory in bytes, from the second field of statm (pages).
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return -1
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return pages * int64(os.Getpagesize())
}
