package sandbox

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLandlockStandsAlone takes the noexec flag off /tmp and the filter away:
// Landlock by itself still refuses to run a program from there, and without
// Landlock it runs.
func TestLandlockStandsAlone(t *testing.T) {
	c := sharedClient(t)
	if c.Hello().LandlockABI == 0 {
		t.Fatal("this kernel has no Landlock of ABI 2; the second wall cannot be shown")
	}
	l := shared.launcher
	code := `const fs=require("fs");const so="` + abiHere.loader + `";fs.copyFileSync(so,"/tmp/x");fs.chmodSync("/tmp/x",0o755);
let r;try{r=Bun.spawnSync(["/tmp/x","--version"]).exitCode===0?10:11}catch(e){r=e.code==="EACCES"?20:21}process.exit(r)`
	for _, x := range []struct {
		landlock bool
		want     int
	}{{true, 20}, {false, 10}} {
		plan, err := NewPlan(Spec{ID: "landlock", Argv: []string{"/bin/bun", "-e", code}}, c.Hello())
		if err != nil {
			t.Fatal(err)
		}
		plan.Landlock = x.landlock
		sl := <-l.slots.ready
		if sl.failure != nil {
			t.Fatal(sl.failure)
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := compile(plan, held{tasks: sl.tasks, netns: sl.netns, userns: sl.users.fd, null: null, stdout: null, stderr: null, control: null,
			creator: l.template.creator, id: sl.users.id, lastCap: l.lastCap, landlockABI: l.host.LandlockABI})
		for i := range p.ops {
			switch p.ops[i].name {
			case "mount /tmp":
				p.ops[i].args[3] = 0
			case "install seccomp filter":
				p.ops[i].nr, p.ops[i].args = unix.SYS_GETPID, [6]uintptr{}
			}
		}
		_, pidfd, err := l.template.spawn(p, sl.dir)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.SetNonblock(pidfd, true)
		f := os.NewFile(uintptr(pidfd), "pidfd")
		if got := waitFor(f); got.code != x.want {
			t.Errorf("landlock %v: exit %+v, want %d", x.landlock, got, x.want)
		}
		f.Close()
		unix.Close(null)
		if err := l.slots.discard(sl); err != nil {
			t.Error(err)
		}
	}
}
