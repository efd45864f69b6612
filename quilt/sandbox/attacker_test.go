package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempt is one attempt from inside a container. No is its number in the
// catalogue (docs/spec/hostile.md); want is the only right outcome.
type attempt struct {
	no   int
	name string
	want string
	try  func() string
}

// attackerMain is this test binary inside a container: a static Go program, for
// what needs no Bun or where Bun is in the way. It prints what it got and then
// stays until its control socket closes, so that it can be looked at.
func attackerMain(args []string) {
	signal.Ignore(syscall.SIGXFSZ)
	got := map[string]string{}
	for _, p := range probes() {
		got[p.name] = p.try()
	}
	b, err := json.Marshal(got)
	if err != nil {
		os.Exit(3)
	}
	os.Stdout.Write(append(b, '\n'))
	var one [1]byte
	_, _ = unix.Read(3, one[:])
	os.Exit(0)
}

// raw makes one call. A child that a hole lets it make ends at once.
func raw(nr uintptr, args ...uintptr) string {
	var a [6]uintptr
	copy(a[:], args)
	r, _, e := syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if nr == unix.SYS_CLONE && e == 0 {
		if r == 0 {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		_, _ = unix.Wait4(int(r), nil, 0, nil)
	}
	return errnoName(e)
}

func errnoName(err error) string {
	var e syscall.Errno
	ok := errors.As(err, &e)
	switch {
	case err == nil || ok && e == 0:
		return "ok"
	case ok:
		return unix.ErrnoName(e)
	}
	return err.Error()
}

var scratch [4096]byte

func at(s string) uintptr { b := append([]byte(s), 0); return uintptr(unsafe.Pointer(&b[0])) }

func probes() []attempt {
	var out []attempt
	add := func(no int, name, want string, try func() string) { out = append(out, attempt{no, name, want, try}) }
	mem := uintptr(unsafe.Pointer(&scratch[0]))
	for _, c := range deniedCalls(mem) {
		want := c.want
		if want == "" {
			want = "EPERM"
		}
		add(c.no, c.name, want, func() string { return raw(c.nr, c.args...) })
	}
	for _, list := range [][]attempt{identityProbes(), fileProbes(), networkProbes(), limitProbes(), queueProbes()} {
		out = append(out, list...)
	}
	return out
}

func firstError(err error) string { return errnoName(err) }

func openAs(path string, flags int) string {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return firstError(err)
}

func names(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return firstError(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	sort.Strings(list)
	return strings.Join(list, " ")
}

func status(key string) string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return firstError(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return "no such line"
}

// firstThread runs f on the thread that went through exec; others do not have
// its parent-death signal.
func firstThread(f func() string) string {
	result := make(chan string)
	for range 200 {
		go func() {
			runtime.LockOSThread() // never unlocked, so each try is another thread
			if unix.Gettid() == unix.Getpid() {
				result <- f()
			}
			select {}
		}()
		select {
		case r := <-result:
			return r
		case <-time.After(2 * time.Millisecond):
		}
	}
	return "the first thread is busy"
}

// hostPID is a process of the host, named by whoever started the attacker.
func hostPID() int {
	pid, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		return 1 << 21
	}
	return pid
}

func identityProbes() []attempt {
	const none = "0000000000000000"
	out := []attempt{
		{16, "filter is on", "2", func() string { return status("Seccomp") }},
		{18, "no new privileges", "1", func() string { return status("NoNewPrivs") }},
		{18, "user", "1000 1000 1000 1000", func() string { return status("Uid") }},
		{18, "group", "1000 1000 1000 1000", func() string { return status("Gid") }},
		{18, "other groups", "", func() string { return status("Groups") }},
		{22, "own pid", "1", func() string { return fmt.Sprint(os.Getpid()) }},
		{22, "own session", "1", func() string { sid, _ := unix.Getsid(0); return fmt.Sprint(sid) }},
		{22, "parent-death signal", "9", func() string {
			return firstThread(func() string {
				var sig int32
				err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0)
				return strings.TrimSuffix(fmt.Sprint(sig, err), " <nil>")
			})
		}},
		{22, "signal a host process", "ESRCH", func() string { return firstError(unix.Kill(hostPID(), 0)) }},
		{28, "host name", "aria", func() string { h, _ := os.Hostname(); return h }},
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		out = append(out, attempt{18, set, none, func() string { return status(set) }})
	}
	return out
}

func networkProbes() []attempt {
	return []attempt{
		{11, "option of IP", "EBADF", func() string {
			return raw(unix.SYS_SETSOCKOPT, ^uintptr(0), unix.IPPROTO_IP, unix.IP_TTL, uintptr(unsafe.Pointer(&scratch[0])), 4)
		}},
		{36, "interfaces", "lo", func() string {
			b, err := os.ReadFile("/proc/self/net/dev")
			if err != nil {
				return firstError(err)
			}
			var list []string
			for line := range strings.Lines(string(b)) {
				if name, _, ok := strings.Cut(line, ":"); ok {
					list = append(list, strings.TrimSpace(name))
				}
			}
			return strings.Join(list, " ")
		}},
		{36, "daemon's socket by path", "ENOENT", func() string { return connectUnix("/run/quilt/quilt.sock") }},
		{37, "abstract socket of the host", "ECONNREFUSED", func() string { return connectUnix(canaryName) }},
		{38, "resolver", "ENOENT", func() string { return openAs("/etc/resolv.conf", unix.O_RDONLY) }},
	}
}

// canaryName is a socket that the tests listen on outside.
const canaryName = "@aria-hostile-canary"

func connectUnix(name string) string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return firstError(err)
	}
	defer unix.Close(fd)
	return firstError(unix.Connect(fd, &unix.SockaddrUnix{Name: name}))
}

func limitProbes() []attempt {
	var out []attempt
	for _, r := range []struct {
		no   int
		name string
		want uint64
	}{{47, "NOFILE", 1024}, {49, "CORE", 0}, {48, "MSGQUEUE", 0}, {48, "MEMLOCK", 64 << 10}, {48, "STACK", 8 << 20}, {31, "FSIZE", DefaultTmpBytes}} {
		out = append(out, attempt{r.no, "limit " + r.name, fmt.Sprint(r.want, " ", r.want), func() string {
			var l unix.Rlimit
			if err := unix.Prlimit(0, int(rlimitNumber[r.name]), nil, &l); err != nil {
				return firstError(err)
			}
			return fmt.Sprint(l.Cur, " ", l.Max)
		}})
	}
	return append(out,
		attempt{47, "descriptors run out inside", "EMFILE", func() string {
			var open []int
			defer func() { closeAll(open) }()
			for range 5000 {
				fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return firstError(err)
				}
				open = append(open, fd)
			}
			return "5000 descriptors"
		}},
		attempt{31, "file beyond its limit", "EFBIG", func() string {
			defer os.Remove("/tmp/big")
			return firstError(os.Truncate(touch("/tmp/big"), DefaultTmpBytes+1))
		}},
	)
}

func touch(path string) string { _ = os.WriteFile(path, nil, 0o600); return path }
