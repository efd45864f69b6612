package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// rootless is what this test binary is when ARIA_ROOTLESS names a user: it executes
// itself as that user, and then as root of a namespace, as quiltd does.
var rootless struct {
	on  bool
	ids int
}

const rootlessEnv = "ARIA_ROOTLESS"

func withoutRoot() {
	uid, err := strconv.Atoi(os.Getenv(rootlessEnv))
	last := len(os.Args) - 1
	switch {
	case err != nil:
		return
	case strings.HasPrefix(os.Args[last], "ids="):
		InUserNamespace()
		rootless.on = true
		rootless.ids, _ = strconv.Atoi(os.Args[last][len("ids="):])
		os.Args = os.Args[:last]
		return
	case last > 0 && !strings.HasPrefix(os.Args[1], "-test."):
		return // a helper of the tests, or something in a container
	case os.Geteuid() == 0:
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}}
		undo, err := handOver(cmd, uid)
		if err == nil {
			err = cmd.Run()
		}
		undo()
		exit(err)
	default:
		exit(RunRootless(slices.Clone(os.Args)))
	}
}

// handOver lets the user of cmd make user namespaces, a wall of the boot image, and on
// v2 gives it a group of its own, as systemd does for Delegate=yes.
func handOver(cmd *exec.Cmd, uid int) (undo func(), err error) {
	const wall = "/proc/sys/kernel/unprivileged_userns_clone"
	was, _ := os.ReadFile(wall) // Debian's kernels have it
	_ = writeFile(wall, "1")
	var group *os.File
	undo = func() {
		_ = writeFile(wall, string(was))
		if group != nil {
			group.Close()
			_ = removeTree(group.Name(), 2)
		}
	}
	found, err := FindGroups()
	if err != nil || !hasControllers(found.Own[""]) {
		return undo, err
	}
	dir := filepath.Join(found.Top[""], "handed-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return undo, err
	}
	for _, file := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		err = errors.Join(err, os.Chown(filepath.Join(dir, file), uid, uid))
	}
	group, open := os.Open(dir)
	if err = errors.Join(err, open); err == nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	}
	return undo, err
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// howHere says in the last line where the catalogue ran, unless that is the default.
func howHere(h Host) string {
	if !h.Rootless {
		return ""
	}
	return ", " + h.Isolation
}

// withoutRoot is what is right otherwise where the launcher is not root: the table of
// docs/spec/rootless.md.
func (p profile) withoutRoot(h Host) profile {
	if !h.Rootless {
		return p
	}
	other, bombs := map[string]string{}, map[string]func(outcome) bool{}
	maps.Copy(other, p.other)
	maps.Copy(bombs, p.bombs)
	p.other, p.bombs = other, bombs
	mounts := "/ / ro,nosuid,nodev tmpfs image; / /dev ro,nosuid,noexec tmpfs dev; "
	for _, d := range devNames {
		mounts += fmt.Sprintf("/%s /dev/%s rw,nosuid,noexec devtmpfs %s; ", d, d, devSource())
	}
	other["mounts"] = mounts + "/ /proc ro,nosuid,nodev,noexec proc proc; / /tmp rw,nosuid,nodev,noexec tmpfs tmpfs"
	if h.without(WithoutIDs) { // the image is its user's own: the mount refuses, not the mode
		other["write a file of the image"], other["write the running program"] = "EROFS", "ETXTBSY"
	}
	if h.without(WithoutCgroups) {
		p.least -= 4 // those that look at the groups
		killed := func(o outcome) bool { return o.exit.OOM && o.exit.Signal == 9 }
		bombs["memory bomb"], bombs["memory in tmp is its own"] = killed, killed
		if bombs["memory in pipes and memfds is its own"] == nil {
			bombs["memory in pipes and memfds is its own"] = killed
		}
		bombs["fork bomb"] = func(o outcome) bool { return o.exit.Signal == 9 }
		// A thread that Bun needs for itself and does not get ends in abort(). The first
		// process of a pid namespace gets no SIGABRT, so Bun's report ends in a trap.
		bombs["thread bomb"] = func(o outcome) bool {
			aborted := o.exit.Signal == 6 || o.exit.Signal == 4 && strings.Contains(o.stderr, "Bun v")
			return o.exit.Code == 1 && strings.Contains(o.stderr, "spawn worker") || aborted || o.exit.Signal == 9
		}
		bombs["processor spin"] = func(o outcome) bool { return o.exit.Signal == 9 } // nothing but its nice value bounds it
	}
	return p
}

// devSource is what the host's /dev is called in its mount table.
func devSource() string {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "/dev" {
			return f[0]
		}
	}
	return ""
}

func TestFindSpan(t *testing.T) {
	const text = "root:100000:65536\nann:165536:1000\n# ann:1:9999999\nann:231072:65536\n1007:300000:5\nbad\nann:0:99999999\n"
	for _, c := range []struct {
		names []string
		want  idSpan
	}{
		{[]string{"1007", "ann"}, idSpan{231072, 65536}},
		{[]string{"1007"}, idSpan{300000, 5}},
		{[]string{"bob"}, idSpan{}},
	} {
		if got := findSpan(strings.NewReader(text), c.names); got != c.want {
			t.Errorf("%v: %v, want %v", c.names, got, c.want)
		}
	}
}

func TestIDPlan(t *testing.T) {
	for _, c := range []struct {
		shows string
		plan  idPlan
		n, id int
		ids   string
		fails bool
	}{
		{"root gives whole ranges", LauncherConfig{UIDBase: 200000}.ids(), 1, 200000 + 65536 + 1000, "0 265536 65536\n", false},
		{"a user with a range gives one id each", LauncherConfig{Rootless: true, IDs: 2}.ids(), 1, 2, "1000 2 1\n", false},
		{"and no more than there are", LauncherConfig{Rootless: true, IDs: 2}.ids(), 2, 0, "", true},
		{"a user without gives its own", LauncherConfig{Rootless: true}.ids(), 7, 0, "1000 0 1\n", false},
	} {
		id, ids, err := c.plan.of(c.n)
		if id != c.id || ids != c.ids || (err != nil) != c.fails {
			t.Errorf("%s: %d %q %v", c.shows, id, ids, err)
		}
	}
}

// TestDegradeIsAllowedFirst: nothing is missing without a word.
func TestDegradeIsAllowedFirst(t *testing.T) {
	for _, c := range []struct {
		shows string
		cfg   LauncherConfig
		ok    bool
	}{
		{"allowed", LauncherConfig{Rootless: true, AllowDegraded: []string{WithoutCgroups}}, true},
		{"another is allowed", LauncherConfig{Rootless: true, AllowDegraded: []string{WithoutIDs}}, false},
		{"root does without nothing", LauncherConfig{AllowDegraded: Degradable}, false},
	} {
		l := &launcher{}
		err := l.degrade(c.cfg, WithoutCgroups, "no groups", "get some")
		if (err == nil) != c.ok || l.host.without(WithoutCgroups) != c.ok {
			t.Errorf("%s: %v, %v", c.shows, err, l.host)
		}
	}
}
