package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// rival is another way to run `bun -e 0` from start to reaped.
type rival struct {
	name, how string
	gate      float64 // ours may take at most this part of it; 0: no promise
	run       func() error
	took      []float64 // ms
}

// BenchmarkRivals runs ours, bare Bun and every container runtime that is
// installed in turn, so that foreign load hits all of them.
func BenchmarkRivals(b *testing.B) {
	c := sharedClient(b)
	ours := &rival{name: "quilt, full profile", how: "cold", run: func() error { return once(b, c) }}
	list, missing := rivals(b, testenv.Bun(b))
	list = append([]*rival{ours}, list...)
	for _, r := range slices.Clone(list) {
		if err := r.run(); err != nil { // also warms the page cache
			list = slices.DeleteFunc(list, func(x *rival) bool { return x == r })
			missing = append(missing, fmt.Sprintf("%s (it failed here: %.200v)", r.name, err))
		}
	}
	for b.Loop() {
		for _, r := range list {
			began := time.Now()
			if err := r.run(); err != nil {
				b.Fatalf("%s: %v", r.name, err)
			}
			r.took = append(r.took, time.Since(began).Seconds()*1e3)
		}
	}
	table(b, ours, list, missing)
}

func table(b *testing.B, ours *rival, list []*rival, missing []string) {
	at := func(r *rival, q float64) float64 { slices.Sort(r.took); return r.took[int(q*float64(len(r.took)-1))] }
	fmt.Printf("\n%-22s %9s %9s %9s   ours/it (p50, min)\n", "bun -e 0, ms", "min", "p10", "p50")
	held := true
	for _, r := range list {
		p50, low := at(ours, .5)/at(r, .5), at(ours, 0)/at(r, 0)
		fmt.Printf("%-22s %9.2f %9.2f %9.2f   %.2f %.2f  %s\n", r.name, at(r, 0), at(r, .1), at(r, .5), p50, low, r.how)
		// On a machine with other work medians swing; the minimum is of the quiet moments.
		held = held && (r.gate == 0 || min(p50, low) <= r.gate)
	}
	for _, m := range missing {
		fmt.Println("not compared:", m)
	}
	lastLine = fmt.Sprintf("bench-containers: %d rounds, cold p50 %.1f ms, %d rivals, gates held: %v", len(ours.took), at(ours, .5), len(list)-1, held)
	if !held {
		b.Error("a gate does not hold")
	}
}

func once(b testing.TB, c *Client) error {
	p, err := NewPlan(Spec{ID: nextID(), Argv: []string{"/bin/bun", "-e", "0"}}, c.Hello())
	if err != nil {
		return err
	}
	k, err := c.Start(b.Context(), p)
	if err != nil {
		return err
	}
	defer k.Close()
	if e, err := k.Wait(b.Context()); err != nil || e.Code != 0 {
		return fmt.Errorf("%+v %w", e, err)
	}
	return nil
}

func rivals(b testing.TB, bun string) (list []*rival, missing []string) {
	image := filepath.Join(shared.dir, "image")
	command := func(args ...string) func() error {
		return func() error {
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
			}
			return nil
		}
	}
	list = []*rival{{name: "bare bun", how: "os/exec, no wall at all", gate: 1.15, run: command(bun, "-e", "0")}}
	find := func(name, pkg string) (string, bool) {
		path, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (apt install %s)", name, pkg))
		}
		return path, err == nil
	}
	if bwrap, ok := find("bwrap", "bubblewrap"); ok {
		list = append(list, &rival{name: "bubblewrap", how: "--unshare-all, no filter, no limits", run: command(bwrap, "--unshare-all", "--new-session",
			"--die-with-parent", "--ro-bind", image, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/bun", "-e", "0")})
	}
	bundle := b.TempDir()
	if err := ociBundle(bundle, image); err != nil {
		b.Fatal(err)
	}
	n := 0
	oci := func(path string, flags ...string) func() error {
		return func() error {
			n++
			args := append([]string{path}, flags...)
			return command(append(args, "run", "--bundle", bundle, fmt.Sprintf("bench-%d-%d", os.Getpid(), n))...)()
		}
	}
	if crun, ok := find("crun", "crun"); ok {
		list = append(list, &rival{name: "crun", how: "cgroups off, no filter", gate: 0.5, run: oci(crun, "--cgroup-manager=disabled")})
	}
	if runc, ok := find("runc", "runc"); ok {
		list = append(list, &rival{name: "runc", how: "cgroup, no filter", gate: 0.25, run: oci(runc)})
	}
	return list, missing
}

// ociBundle is the same root as an OCI bundle (runtime-spec 1.0).
func ociBundle(dir, image string) error {
	type m = map[string]any
	var spaces []m
	for _, t := range []string{"pid", "network", "ipc", "uts", "mount"} {
		spaces = append(spaces, m{"type": t})
	}
	config := m{"ociVersion": "1.0.2", "hostname": "aria", "root": m{"path": image, "readonly": true},
		"process": m{"user": m{"uid": 1000, "gid": 1000}, "args": []string{"/bin/bun", "-e", "0"}, "cwd": "/", "env": baseEnv(), "noNewPrivileges": true},
		"mounts": []m{{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "nodev", "size=64m"}}},
		"linux": m{"namespaces": spaces}}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}
