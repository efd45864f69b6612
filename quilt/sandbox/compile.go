package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// held are the descriptors, all the launcher's own, that a child needs on its
// way to exec.
type held struct {
	tasks                         []int // cgroup v1 tasks files to join
	netns, userns                 int
	null, stdout, stderr, control int
	creator                       int // pidfd of the thread that clones
	id                            int // of the container's user, in the launcher's namespace
	lastCap                       int // highest capability the kernel knows
	landlockABI                   int
	keepGroups                    bool // nobody may change groups in the launcher's namespace
	revealed                      bool // a proc of the host lies on /tmp, see template.reveal
}

// capHeader and capSets are struct __user_cap_header_struct and data, version 3.
type capHeader struct {
	version uint32
	pid     int32
}
type capSets [2]struct{ effective, permitted, inheritable uint32 }

const capVersion3 = 0x20080522

var rlimitNumber = map[string]uintptr{
	"NPROC":  unix.RLIMIT_NPROC,
	"NOFILE": unix.RLIMIT_NOFILE, "CORE": unix.RLIMIT_CORE, "MSGQUEUE": unix.RLIMIT_MSGQUEUE,
	"MEMLOCK": unix.RLIMIT_MEMLOCK, "STACK": unix.RLIMIT_STACK, "FSIZE": unix.RLIMIT_FSIZE,
}

var mountFlag = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
}

// compile turns a plan into the system calls of the child. The order matters
// and each odd place says why.
func compile(p Plan, h held) *program {
	c := &program{}
	c.joinCgroups(h)
	c.mounts(p, h)
	name := c.str(p.Hostname)
	c.add("sethostname", unix.SYS_SETHOSTNAME, name, uintptr(len(p.Hostname)))
	c.descriptors(h)
	for _, r := range p.Rlimits {
		lim := &unix.Rlimit{Cur: r.Value, Max: r.Value}
		c.keep = append(c.keep, lim)
		c.add("limit "+r.Name, unix.SYS_PRLIMIT64, 0, rlimitNumber[r.Name], uintptr(unsafe.Pointer(lim)), 0)
	}
	c.dropPrivilege(p, h)
	c.tieToLauncher(h)
	c.closeAbove()
	// Landlock and seccomp ask for it.
	c.add("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	if p.Landlock {
		c.landlock(h.landlockABI)
	}
	c.seccomp(p)
	c.add("exec "+p.Argv[0], unix.SYS_EXECVE, c.str(p.Argv[0]), c.strs(p.Argv), c.strs(p.Env))
	return c
}

func (c *program) add(name string, nr uintptr, args ...uintptr) *op {
	o := op{name: name, nr: nr}
	copy(o.args[:], args)
	c.ops = append(c.ops, o)
	return &c.ops[len(c.ops)-1]
}

func (c *program) str(s string) uintptr {
	b := append([]byte(s), 0)
	c.keep = append(c.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// strs is a NULL-terminated array of C strings.
func (c *program) strs(list []string) uintptr {
	v := make([]uintptr, 0, len(list)+1)
	for _, s := range list {
		v = append(v, c.str(s))
	}
	v = append(v, 0)
	c.keep = append(c.keep, v)
	return uintptr(unsafe.Pointer(&v[0]))
}

// joinCgroups writes "0" to tasks, never to cgroup.procs: moving a whole
// process waits for an RCU grace period (10 ms on an idle host), moving the
// calling thread does not, and this process has one thread.
func (c *program) joinCgroups(h held) {
	zero := c.str("0")
	for _, fd := range h.tasks {
		c.add("join cgroup", unix.SYS_WRITE, uintptr(fd), zero, 1)
	}
	// Only after joining, so that the namespace's root is the container's group.
	c.add("unshare cgroup namespace", unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	c.add("enter network namespace", unix.SYS_SETNS, uintptr(h.netns), unix.CLONE_NEWNET)
}

// mounts adds what is the container's own; / and /dev come with the template.
func (c *program) mounts(p Plan, h held) {
	list := slices.Clone(p.Mounts)
	if h.revealed { // proc can be mounted as long as the host's is to be seen, on /tmp
		slices.Reverse(list)
	}
	for _, m := range list {
		if m.To == "/" || m.To == "/dev" {
			continue
		}
		if h.revealed && m.To == "/tmp" {
			c.add("unmount the host's proc", unix.SYS_UMOUNT2, c.str("/tmp"), unix.MNT_DETACH)
		}
		var flags uintptr
		for _, f := range m.Flags {
			flags |= mountFlag[f]
		}
		options := m.Options
		if m.Type == "tmpfs" {
			options = fmt.Sprintf("%s,uid=%d,gid=%d", options, h.id, h.id)
		}
		kind := c.str(m.Type)
		c.add("mount "+m.To, unix.SYS_MOUNT, kind, c.str(m.To), kind, flags, c.str(options))
	}
}

// descriptors puts the four in place. Their sources are all above 3, see highFD.
func (c *program) descriptors(h held) {
	c.add("setsid", unix.SYS_SETSID)
	for to, from := range []int{h.null, h.stdout, h.stderr, h.control} {
		c.add("place descriptor", unix.SYS_DUP3, uintptr(from), uintptr(to), 0)
	}
}

// closeAbove leaves the four descriptors. It comes after their last use.
func (c *program) closeAbove() {
	c.add("close other descriptors", unix.SYS_CLOSE_RANGE, 4, uintptr(^uint32(0)), 0)
}

func (c *program) dropPrivilege(p Plan, h held) {
	c.add("enter user namespace", unix.SYS_SETNS, uintptr(h.userns), unix.CLONE_NEWUSER)
	// Entering a user namespace refills the bounding set, so it is dropped here
	// and not before. The probe counted what the kernel has.
	for n := range h.lastCap + 1 {
		c.add("drop bounding capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(n))
	}
	id := uintptr(p.UID)
	if !h.keepGroups {
		c.add("clear groups", unix.SYS_SETGROUPS, 0, 0)
	}
	c.add("set group", unix.SYS_SETRESGID, id, id, id)
	c.add("set user", unix.SYS_SETRESUID, id, id, id)
	c.add("clear ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	hdr, sets := &capHeader{version: capVersion3}, &capSets{}
	c.keep = append(c.keep, hdr, sets)
	c.add("clear capabilities", unix.SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(sets)))
	// The session keyring is inherited across everything above.
	c.add("new session keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0).rule = orNotThere
}

// tieToLauncher comes after the last change of credentials, which clears the
// signal. The poll closes the window in which the creating thread was already
// dead when the signal was set.
func (c *program) tieToLauncher(h held) {
	c.add("set parent-death signal", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	fds := &[1]unix.PollFd{{Fd: int32(h.creator), Events: unix.POLLIN}}
	zero := &unix.Timespec{}
	c.keep = append(c.keep, fds, zero)
	c.add("launcher is alive", unix.SYS_PPOLL, uintptr(unsafe.Pointer(fds)), 1, uintptr(unsafe.Pointer(zero)), 0, 0).rule = mustBeZero
}

func (c *program) seccomp(p Plan) {
	filter := filterNamed(p.Seccomp)
	prog := &struct {
		n uint16
		_ [6]byte
		f *insn
	}{n: uint16(len(filter)), f: &filter[0]}
	c.keep = append(c.keep, prog)
	const setModeFilter = 1
	c.add("install seccomp filter", unix.SYS_SECCOMP, setModeFilter, 0, uintptr(unsafe.Pointer(prog)))
}

// names lists the operations, for tests and for people.
func (c *program) names() string {
	var b strings.Builder
	for _, o := range c.ops {
		fmt.Fprintln(&b, o.name)
	}
	return b.String()
}
