package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/groups"
)

// Without root, the launcher is root of a user namespace in which nobody else is:
// it has the capabilities that containers take, and over nothing but what it makes.
// docs/spec/rootless.md says what is different.

// RunRootless executes this program again as root of a new user namespace, hands
// on the signals that it gets, and returns how that process ended. argv is given
// "ids=N" as its last element, how many more ids the namespace has. The other
// process calls InUserNamespace first, and dies with this one.
func RunRootless(argv []string) error {
	groups.StepAside()
	ids, err := subordinates()
	if err != nil {
		return err
	}
	space, err := ids.namespace()
	if err != nil {
		return err
	}
	self, err := openProgram(ownProgram)
	if err != nil {
		return err
	}
	defer self.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	life, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close() // whoever kills us closes it too
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	pid, err := Entry{
		Program: self, Argv: append(argv, fmt.Sprint("ids=", ids.count())), Env: os.Environ(), Files: []*os.File{null, os.Stdout, os.Stderr, life},
		Spaces: []Space{{File: os.NewFile(uintptr(space), "user"), Flag: unix.CLONE_NEWUSER}},
	}.Start()
	life.Close()
	if err != nil {
		return noNamespace(err)
	}
	inner, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = inner.Signal(s)
		}
	}()
	state, err := inner.Wait()
	if err != nil {
		return fmt.Errorf("rootless: %w", err)
	}
	if !state.Success() {
		return &exec.ExitError{ProcessState: state}
	}
	return nil
}

// InUserNamespace is the first thing that the process of RunRootless does: it ties
// its life to that one's.
func InUserNamespace() {
	const life = 3
	unix.CloseOnExec(life)
	f := os.NewFile(life, "life")
	go func() {
		_, _ = f.Read(make([]byte, 1))
		_ = unix.Kill(os.Getpid(), unix.SIGKILL) // and engine and containers with us
	}()
	// Where ids are subordinate ones, groups of the user can be given up.
	_ = unix.Setgroups(nil)
}

// idRanges are what a user may map beside its own id.
type idRanges struct{ uid, gid idSpan }

type idSpan struct{ first, count int }

func (r idRanges) count() int { return min(r.uid.count, r.gid.count) }

// subordinates reads /etc/subuid and /etc/subgid (subuid(5)). Without the two
// programs that write such maps there are none.
func subordinates() (r idRanges, err error) {
	for _, p := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(p); err != nil {
			return idRanges{}, nil
		}
	}
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return idRanges{}, nil // they map for nobody without a name
	}
	names := []string{u.Uid, u.Username}
	if r.uid, err = subordinate("/etc/subuid", names); err != nil {
		return idRanges{}, err
	}
	r.gid, err = subordinate("/etc/subgid", names)
	return r, err
}

func subordinate(file string, names []string) (idSpan, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return idSpan{}, nil
	}
	if err != nil {
		return idSpan{}, fmt.Errorf("rootless: %w", err)
	}
	defer f.Close()
	return findSpan(f, names), nil
}

// findSpan is the largest range of one of names.
func findSpan(text io.Reader, names []string) (best idSpan) {
	for lines := bufio.NewScanner(text); lines.Scan(); {
		part := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(part) != 3 {
			continue
		}
		for _, n := range names {
			first, err1 := strconv.Atoi(part[1])
			count, err2 := strconv.Atoi(part[2])
			if part[0] == n && err1 == nil && err2 == nil && first > 0 && count > best.count {
				best = idSpan{first, count}
			}
		}
	}
	return best
}

// namespace makes the user namespace: 0 is this user, 1 and on are r.
func (r idRanges) namespace() (fd int, err error) {
	if n := readCount("/proc/sys/user/max_user_namespaces", ""); n == 0 {
		return -1, noNamespace(unix.ENOSPC)
	}
	pid, pidfd, err := sleeper(unix.CLONE_NEWUSER)
	if err != nil {
		return -1, noNamespace(err)
	}
	defer func() {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		reap(pidfd)
		unix.Close(pidfd)
	}()
	if n := r.count(); n > 0 {
		err = errors.Join(mapBy("newuidmap", pid, os.Getuid(), r.uid.first, n), mapBy("newgidmap", pid, os.Getgid(), r.gid.first, n))
	} else {
		err = r.alone(pid)
	}
	if err != nil {
		return -1, err
	}
	return unix.Open(fmt.Sprintf("/proc/%d/ns/user", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// alone maps this user and nobody else. The kernel lets nobody change groups then.
func (idRanges) alone(pid int) error {
	for _, w := range [][2]string{
		{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("0 %d 1\n", os.Getuid())}, {"gid_map", fmt.Sprintf("0 %d 1\n", os.Getgid())},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, w[0]), []byte(w[1]), 0); err != nil {
			return noNamespace(err)
		}
	}
	return nil
}

func mapBy(program string, pid, own, first, count int) error {
	out, err := exec.Command(program, strconv.Itoa(pid), "0", strconv.Itoa(own), "1", "1", strconv.Itoa(first), strconv.Itoa(count)).CombinedOutput()
	if err != nil {
		return fault.New(fault.Unavailable, "%s does not map the ids of /etc/subuid and /etc/subgid: %s (%v)", program, strings.TrimSpace(string(out)), err).
			WithHint("give this user a range of its own (usermod --add-subuids), or take its lines out of both files")
	}
	return nil
}

// noNamespace is for people: what to switch on.
func noNamespace(err error) error {
	return fault.Wrap(err, fault.Unavailable, "this host lets users without root make no user namespaces").
		WithHint("start quiltd as root, or: sysctl user.max_user_namespaces=16384; where there are these: kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0")
}
