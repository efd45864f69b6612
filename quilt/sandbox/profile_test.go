package sandbox

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inside is what a container sees of itself.
type inside struct {
	Status, Mountinfo, UIDMap, Cgroup, Limits string
	NS                                        map[string]string
	Root, Dev, Proc                           []string
	FDs                                       map[string]string
	Env                                       map[string]string
	UID, GID, PID                             int
	Groups                                    []int
	Host, Cwd, Cmdline                        string
}

const lookInside = `
const fs = require("fs");
const read = p => { try { return fs.readFileSync(p, "utf8") } catch (e) { return e.code } };
const FDs = {}; for (const f of fs.readdirSync("/proc/self/fd")) try { FDs[f] = fs.readlinkSync("/proc/self/fd/" + f) } catch {}
const NS = {}; for (const n of ["mnt","pid","net","ipc","uts","cgroup","user"]) NS[n] = fs.readlinkSync("/proc/self/ns/" + n);
console.log(JSON.stringify({ Status: read("/proc/self/status"), Mountinfo: read("/proc/self/mountinfo"), UIDMap: read("/proc/self/uid_map"),
  Cgroup: read("/proc/self/cgroup"), Limits: read("/proc/self/limits"), NS, FDs, Env: process.env,
  Root: fs.readdirSync("/").sort(), Dev: fs.readdirSync("/dev").sort(), Proc: fs.readdirSync("/proc").sort(),
  UID: process.getuid(), GID: process.getgid(), Groups: process.getgroups(), PID: process.pid, Host: require("os").hostname(), Cwd: process.cwd(), Cmdline: read("/proc/self/cmdline") }));
fs.readSync(3, Buffer.alloc(1)); // stays alive until the test has looked
`

func look(t *testing.T, c *Client) (inside, func()) {
	t.Helper()
	k := begin(t, c, Spec{Env: []string{"UNIT=orders"}}, lookInside)
	var in inside
	if err := json.NewDecoder(k.Stdout).Decode(&in); err != nil {
		k.Kill()
		t.Fatalf("%v; %+v", err, end(t, k))
	}
	return in, func() {
		k.Control.Write([]byte{1})
		if o := end(t, k); o.exit.Code != 0 {
			t.Errorf("exit %+v: %s", o.exit, o.stderr)
		}
	}
}

// TestProfile is the whole profile, seen from inside.
func TestProfile(t *testing.T) {
	c := sharedClient(t)
	a, endA := look(t, c)
	b, endB := look(t, c) // a sibling, alive at the same time
	defer endA()
	defer endB()

	for _, line := range []string{
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		"Uid:\t1000\t1000\t1000\t1000", "Gid:\t1000\t1000\t1000\t1000",
	} {
		if !strings.Contains(a.Status, line+"\n") {
			t.Errorf("status lacks %q:\n%s", line, a.Status)
		}
	}
	for ns, id := range a.NS {
		host, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		if id == host || id == b.NS[ns] {
			t.Errorf("namespace %s is shared: container %s, sibling %s, host %s", ns, id, b.NS[ns], host)
		}
	}
	if len(a.NS) != 7 {
		t.Errorf("%d namespaces seen, want 7", len(a.NS))
	}
	if a.UIDMap == b.UIDMap || strings.Contains(a.UIDMap, " 0 ") && !strings.Contains(a.UIDMap, "65536") {
		t.Errorf("uid maps: %q and sibling's %q", a.UIDMap, b.UIDMap)
	}
	for _, x := range []struct {
		what      string
		got, want any
	}{
		{"groups", a.Groups, []int{}},
		{"pid", a.PID, 1},
		{"host name", a.Host, "aria"},
		{"cwd", a.Cwd, "/"},
		{"/", a.Root, strings.Fields(abiHere.top)},
		{"/dev", a.Dev, []string{"full", "null", "random", "urandom", "zero"}},
		{"/proc", a.Proc, []string{"1", "self", "thread-self"}},
		{"env", a.Env, map[string]string{"PATH": "/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "UNIT": "orders",
			"BUN_RUNTIME_TRANSPILER_CACHE_PATH": "0", "BUN_ENABLE_CRASH_REPORTING": "0", "BUN_JSC_useTailCalls": "0", "DO_NOT_TRACK": "1"}},
	} {
		if d := cmp.Diff(x.want, x.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.what, d)
		}
	}
	checkMounts(t, a.Mountinfo)
	checkFDs(t, a.FDs)
	checkRlimits(t, a.Limits)
	for line := range strings.Lines(a.Cgroup) {
		if !strings.HasSuffix(line, ":/\n") {
			t.Errorf("cgroup path shows through: %q", line)
		}
	}
}

func checkMounts(t *testing.T, info string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(info) {
		f := strings.Fields(line)
		got = append(got, f[3]+" "+f[4]+" "+strings.ReplaceAll(f[5], ",relatime", "")+" "+f[7]+" "+f[8])
	}
	want := []string{
		"/ / ro,nosuid,nodev tmpfs image",
		"/ /dev ro,nosuid,noexec tmpfs dev",
		"/ /tmp rw,nosuid,nodev,noexec tmpfs tmpfs",
		"/ /proc ro,nosuid,nodev,noexec proc proc",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mounts (-want +got):\n%s", d)
	}
	if strings.Contains(info, shared.dir) || strings.Contains(info, "sandbox-test") {
		t.Errorf("mountinfo shows a host path:\n%s", info)
	}
}

// checkFDs: 0 to 3 are ours; the rest are Bun's own event loop and the listing.
func checkFDs(t *testing.T, fds map[string]string) {
	t.Helper()
	for fd, want := range map[string]string{"0": `^/dev/null$`, "1": `^pipe:`, "2": `^pipe:`, "3": `^socket:`} {
		if !regexp.MustCompile(want).MatchString(fds[fd]) {
			t.Errorf("descriptor %s is %q, want %s", fd, fds[fd], want)
		}
		delete(fds, fd)
	}
	for fd, target := range fds {
		if !strings.HasPrefix(target, "anon_inode:[event") && !strings.HasPrefix(target, "/proc/") {
			t.Errorf("descriptor %s is open: %q", fd, target)
		}
	}
}

func checkRlimits(t *testing.T, limits string) {
	t.Helper()
	for _, want := range []string{
		`Max open files +1024 +1024 `, `Max core file size +0 +0 `, `Max msgqueue size +0 +0 `,
		`Max locked memory +65536 +65536 `, `Max stack size +8388608 +8388608 `, `Max file size +67108864 +67108864 `,
		`Max address space +unlimited +unlimited `,
	} {
		if !regexp.MustCompile(want).MatchString(limits) {
			t.Errorf("limits lack %q:\n%s", want, limits)
		}
	}
}

// TestFiles: the image cannot be written, /tmp can and is bounded in bytes and
// files, and nothing of /sys or the classic leaks of /proc is there.
func TestFiles(t *testing.T) {
	o := runCode(t, Spec{TmpBytes: 4 << 20}, `
const fs = require("fs");
const t = f => { try { f(); return "ok" } catch (e) { return e.code } };
const fill = () => { for (let i = 0; i < 64; i++) fs.writeFileSync("/tmp/f" + i, Buffer.alloc(1 << 20)) };
const inodes = () => { for (let i = 0; i < 5000; i++) fs.writeFileSync("/tmp/n" + i, "") };
const clear = () => { for (const f of fs.readdirSync("/tmp")) fs.rmSync("/tmp/" + f) };
const out = {
  write_root: t(() => fs.writeFileSync("/x", "1")), write_bun: t(() => fs.writeFileSync("/bin/bun", "1")), write_exe: t(() => fs.openSync("/proc/self/exe", "r+")),
  write_dev: t(() => fs.writeFileSync("/dev/x", "1")), write_proc: t(() => fs.writeFileSync("/proc/self/oom_score_adj", "-1000")),
  dev_null: t(() => fs.writeFileSync("/dev/null", "1")), tmp: t(() => fs.writeFileSync("/tmp/a", "1")),
  fill: t(fill), clear: t(clear), inodes: t(inodes), clear2: t(clear),
  sys: t(() => fs.readdirSync("/sys")), kcore: t(() => fs.readFileSync("/proc/kcore")), procsys: t(() => fs.readdirSync("/proc/sys")),
  sysrq: t(() => fs.writeFileSync("/proc/sysrq-trigger", "b")), cgroupfs: t(() => fs.readdirSync("/sys/fs/cgroup")),
  big: t(() => fs.truncateSync("/tmp/s", 1 << 30)), owner: (fs.writeFileSync("/tmp/o", ""), fs.statSync("/tmp/o").uid), up: fs.readdirSync("/proc/1/root/../..").length,
};
console.log(JSON.stringify(out));`)
	var got map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	want := map[string]any{
		"write_root": "EROFS", "write_bun": "EACCES", "write_exe": "EACCES", "write_dev": "EROFS", "write_proc": "EROFS",
		"dev_null": "ok", "tmp": "ok", "fill": "ENOSPC", "clear": "ok", "inodes": "ENOSPC", "clear2": "ok",
		"sys": "ENOENT", "kcore": "ENOENT", "procsys": "ENOENT", "sysrq": "ENOENT", "cgroupfs": "ENOENT",
		"big": "ENOENT", "owner": 1000.0, "up": float64(len(strings.Fields(abiHere.top))),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
