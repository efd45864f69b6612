package sandbox

import (
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// walls is everything that can be taken away by itself. Not here, because no
// case can see it: the session keyring (its calls are denied by the filter),
// the ambient and the other capability sets (empty once the user has changed,
// so they go together with that), the poll after the parent-death signal (a
// race, see TestKillInTheStorm), memory with swap (compared nevertheless).
func walls(in profile) []wall {
	var out []wall
	for _, ops := range []string{"sethostname", "setsid", "set group", "set user",
		"drop bounding capability", "set parent-death signal", "close other descriptors", "set no_new_privs",
		"restrict with landlock", "install seccomp filter", "unshare cgroup namespace", "enter network namespace",
		"enter user namespace", "mount /tmp", "mount /proc"} {
		out = append(out, wall{name: ops, remove: without(ops)})
	}
	out = append(out, wall{name: "clear groups", remove: func(d *draft) {
		d.first("a group of the launcher's", unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&strayGroup)))
		without("clear groups")(d)
	}}, wall{name: "user and capabilities", remove: without("set user", "clear capabilities")})
	for _, r := range []string{"NOFILE", "CORE", "MSGQUEUE", "MEMLOCK", "STACK", "FSIZE"} {
		out = append(out, wall{name: "limit " + r, remove: without("limit " + r)})
	}
	for _, f := range []struct {
		name string
		bit  uint64
	}{{"pid", unix.CLONE_NEWPID}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}} {
		out = append(out, wall{name: "namespace " + f.name, remove: func(d *draft) {
			d.flags &^= f.bit
			without("sethostname")(d) // without its own namespace it would rename the host
		}})
	}
	out = append(out, mountWalls()...)
	out = append(out, groupWalls()...)
	out = append(out, filterWalls(in)...)
	return append(out, landlockWalls()...)
}

func mountWalls() []wall {
	var out []wall
	for i, flags := range map[int][]string{2: {"nosuid", "nodev", "noexec"}, 3: {"ro", "nosuid", "nodev", "noexec"}} {
		for _, f := range flags {
			to := []string{"/", "/dev", "/tmp", "/proc"}[i]
			out = append(out, wall{name: "mount flag " + f + " of " + to, plan: func(d *draft) {
				d.plan.Mounts[i].Flags = slices.DeleteFunc(slices.Clone(d.plan.Mounts[i].Flags), func(x string) bool { return x == f })
			}})
		}
	}
	for _, o := range []struct {
		i    int
		name string
	}{{2, "size="}, {2, "nr_inodes="}, {3, "subset=pid"}} {
		out = append(out, wall{name: "mount option " + o.name, plan: func(d *draft) {
			d.plan.Mounts[o.i].Options = strings.Join(slices.DeleteFunc(strings.Split(d.plan.Mounts[o.i].Options, ","),
				func(x string) bool { return strings.HasPrefix(x, o.name) }), ",")
		}})
	}
	// / and /dev come with the template, so their flags are taken back inside the
	// container's own mount namespace.
	for _, m := range []struct {
		to, name string
		flag     uint64
	}{{"/", "ro", unix.MOUNT_ATTR_RDONLY}, {"/", "nosuid", unix.MOUNT_ATTR_NOSUID}, {"/", "nodev", unix.MOUNT_ATTR_NODEV},
		{"/dev", "ro", unix.MOUNT_ATTR_RDONLY}, {"/dev", "nosuid", unix.MOUNT_ATTR_NOSUID}, {"/dev", "noexec", unix.MOUNT_ATTR_NOEXEC}} {
		out = append(out, wall{name: "mount flag " + m.name + " of " + m.to, remove: func(d *draft) {
			attr := &unix.MountAttr{Attr_clr: m.flag}
			d.program.keep = append(d.program.keep, attr)
			d.first("weaken mount", unix.SYS_MOUNT_SETATTR, ^uintptr(99), d.program.str(m.to), 0, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		}})
	}
	return out
}

var strayGroup uint32 = 5

// first puts an operation before all others, where the child is still root.
func (d *draft) first(name string, nr uintptr, args ...uintptr) {
	d.program.add(name, nr, args...)
	ops := d.program.ops
	d.program.ops = append([]op{ops[len(ops)-1]}, ops[:len(ops)-1]...)
}

func groupWalls() []wall {
	var out []wall
	l := shared.launcher
	for i, s := range limitSettings(l.tree.version, Limits{Disks: l.host.Disks}) {
		if s.ifThere || s.file == "cpu.cfs_period_us" {
			continue // swap, see above; the period is the kernel's default
		}
		out = append(out, wall{name: "group " + s.file, plan: func(d *draft) {
			if s.file == "memory.limit_in_bytes" { // memory and swap cannot be limited alone
				d.settings = slices.DeleteFunc(d.settings, func(x setting) bool { return x.controller == "memory" })
				return
			}
			d.settings = slices.Delete(d.settings, i, i+1)
		}})
	}
	if l.tree.version == 1 {
		out = append(out, wall{name: "devices of the group", plan: func(d *draft) {
			d.settings = append(d.settings, setting{"devices", "devices.allow", "a", false})
		}}, wall{name: "join one group fewer", remove: func(d *draft) {
			i := slices.IndexFunc(d.program.ops, func(o op) bool { return o.name == "join cgroup" })
			d.program.ops = slices.Delete(d.program.ops, i, i+1)
		}}, wall{name: "join the groups", remove: without("join cgroup")})
		return out
	}
	return append(out, wall{name: "born in the group", plan: func(d *draft) { d.outside = true }})
}

// filterWalls opens one guarded call at a time, and the check of what is not in
// the table.
func filterWalls(in profile) []wall {
	var out []wall
	all, at := ownTable.guards, &filter
	if in.net {
		all, at = with(ownTable.guards, ownTable.netGuards), &netFilter
	}
	install := func(prog []insn) func(*draft) {
		return func(d *draft) {
			old := *at
			*at = prog
			without("install seccomp filter", "exec ")(d)
			last := d.plan.Argv
			d.program.seccomp(d.plan)
			d.program.add("exec "+last[0], unix.SYS_EXECVE, d.program.str(last[0]), d.program.strs(last), d.program.strs(d.plan.Env))
			*at = old
		}
	}
	for i, g := range all {
		rest := slices.Delete(slices.Clone(all), i, i+1)
		open := append(slices.Clone(ownTable.allowed), group{"a hole", []uint32{g.call}})
		out = append(out, wall{name: "filter, guard of " + g.on.name, remove: install(compileFilter(ownTable.audit, open, rest))})
	}
	var done []uintptr
	for _, c := range deniedCalls(0) {
		if c.want == "" && c.nr < 1000 && !guarded32(uint32(c.nr)) {
			open := append(slices.Clone(ownTable.allowed), group{"a hole", []uint32{uint32(c.nr)}})
			if slices.Contains(refusedAnyway, c.nr) || slices.Contains(done, c.nr) {
				continue
			}
			done = append(done, c.nr)
			out = append(out, wall{name: "filter, call " + c.name, remove: install(compileFilter(ownTable.audit, open, all))})
		}
	}
	return out
}

// landlockWalls allow one thing more.
func landlockWalls() []wall {
	return []wall{{name: "landlock, exec everywhere", remove: func(d *draft) {
		for _, k := range d.program.keep {
			if r, ok := k.(*llBeneath); ok && r.access == llRead|llReadDir {
				r.access |= llExecute
			}
		}
	}}}
}

func guarded32(nr uint32) bool {
	return slices.ContainsFunc(ownTable.guards, func(g guarded) bool { return g.call == nr })
}

// refusedAnyway are calls that the kernel answers with the filter's EPERM to a
// process without capabilities: behind this wall stands another, and no case
// can tell which one answered.
var refusedAnyway = []uintptr{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_USERFAULTFD, unix.SYS_SETTIMEOFDAY, unix.SYS_SETHOSTNAME, unix.SYS_SETUID,
	unix.SYS_SETGROUPS, unix.SYS_IOPRIO_SET, unix.SYS_INIT_MODULE, unix.SYS_SWAPON,
}
