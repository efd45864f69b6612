package pid1

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is one program that is kept running.
type daemon struct {
	name     string
	argv     []string
	uid      int // 0: root
	cgroup   string
	pid      int
	restarts int
	wanted   bool
}

// supervisor starts daemons, starts them again with back-off, and reaps every
// process that ends. It is the only one that waits for children.
type supervisor struct {
	log *slog.Logger
	out io.Writer

	mu      sync.Mutex // guards pids and the daemons' changing fields
	pids    map[int]chan syscall.WaitStatus
	daemons []*daemon
}

const cgroups = "/sys/fs/cgroup"

func newSupervisor(log *slog.Logger, out io.Writer) (*supervisor, error) {
	if err := os.WriteFile(cgroups+"/cgroup.subtree_control", []byte("+memory +pids +cpu +io"), 0); err != nil {
		return nil, fmt.Errorf("cgroup controllers: %w", err)
	}
	s := &supervisor{log: log, out: out, pids: map[int]chan syscall.WaitStatus{}}
	go s.reap()
	return s, nil
}

// reap waits for every child. SIGCHLD would do, but a blocking wait is simpler;
// without children it looks again every 100 ms.
func (s *supervisor) reap() {
	for {
		var info unix.Siginfo
		// Only look first: a child may end before start has entered its pid.
		if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, syscall.WNOHANG, nil)
		if err == nil && pid > 0 {
			if c := s.pids[pid]; c != nil {
				c <- st
				delete(s.pids, pid)
			}
		}
		s.mu.Unlock()
	}
}

// program is what start runs.
type program struct {
	argv   []string
	uid    int
	cgroup string
	dir    string   // empty: /
	env    []string // nil: daemonEnv
}

var daemonEnv = []string{"PATH=/bin", "HOME=/nonexistent", "TMPDIR=/tmp"}

// start runs p and returns its pid and where its end is told.
func (s *supervisor) start(p program) (int, <-chan syscall.WaitStatus, error) {
	dir, err := freshGroup(p.cgroup)
	if err != nil {
		return 0, nil, err
	}
	cg, err := os.Open(dir)
	if err != nil {
		return 0, nil, err
	}
	defer cg.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	go s.copyLines(r)
	defer w.Close()
	attr := &syscall.ProcAttr{Dir: p.dir, Env: p.env,
		Files: []uintptr{null.Fd(), w.Fd(), w.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(cg.Fd())}}
	if p.dir == "" {
		attr.Dir = "/"
	}
	if p.env == nil {
		attr.Env = daemonEnv
	}
	if p.uid != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := syscall.ForkExec(p.argv[0], p.argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", p.argv[0], err)
	}
	end := make(chan syscall.WaitStatus, 1)
	s.pids[pid] = end
	return pid, end, nil
}

// freshGroup makes an empty cgroup. What a daemon that died left in the old one
// is killed and removed: a group that hands out controllers takes no process.
func freshGroup(name string) (string, error) {
	dir := filepath.Join(cgroups, name)
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		_ = os.WriteFile(dir+"/cgroup.kill", []byte("1"), 0)
		removeGroups(dir)
		if err = os.Mkdir(dir, 0o755); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the cgroup %s is not free: %w", name, err)
}

func removeGroups(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	_ = unix.Rmdir(dir)
}

// copyLines keeps the lines of two daemons from mixing.
func (s *supervisor) copyLines(r *os.File) {
	defer r.Close()
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			_, _ = s.out.Write(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// keep runs d until stop. Each end doubles the pause up to 10 s; a minute of
// life makes it short again.
func (s *supervisor) keep(d *daemon) {
	s.mu.Lock()
	d.wanted = true
	s.daemons = append(s.daemons, d)
	s.mu.Unlock()
	pause := 100 * time.Millisecond
	for {
		pid, end, err := s.start(program{argv: d.argv, uid: d.uid, cgroup: d.cgroup})
		began := time.Now()
		if err == nil {
			s.mu.Lock()
			d.pid = pid
			s.mu.Unlock()
			st := <-end
			err = fmt.Errorf("it ended: %s", describe(st))
		}
		s.mu.Lock()
		d.pid = 0
		d.restarts++
		wanted := d.wanted
		s.mu.Unlock()
		if !wanted {
			return
		}
		s.log.Error("aria: a daemon is started again", "daemon", d.name, "err", err, "pause", pause)
		time.Sleep(pause)
		pause = min(2*pause, 10*time.Second)
		if time.Since(began) > time.Minute {
			pause = 100 * time.Millisecond
		}
	}
}

func describe(st syscall.WaitStatus) string {
	if st.Signaled() {
		return "signal " + st.Signal().String()
	}
	return fmt.Sprintf("code %d", st.ExitStatus())
}

// stop ends the daemons in the reverse order of their start, each within 15 s.
func (s *supervisor) stop(log *slog.Logger) {
	s.mu.Lock()
	list := append([]*daemon(nil), s.daemons...)
	for _, d := range list {
		d.wanted = false
	}
	s.mu.Unlock()
	for i := len(list) - 1; i >= 0; i-- {
		s.end(list[i], log)
	}
}

func (s *supervisor) end(d *daemon, log *slog.Logger) {
	running := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return d.pid
	}
	pid := running()
	if pid == 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for end := time.Now().Add(15 * time.Second); running() == pid; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			log.Warn("aria: a daemon did not end in time and is killed", "daemon", d.name)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
	}
}

// signal goes to a daemon by its name, if it runs.
func (s *supervisor) signal(name string, sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.daemons {
		if d.name == name && d.pid != 0 {
			_ = syscall.Kill(d.pid, sig)
		}
	}
}

// states is one line per daemon, for the screen.
func (s *supervisor) states() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, d := range s.daemons {
		state := "running"
		if d.pid == 0 {
			state = "stopped"
		}
		out = append(out, fmt.Sprintf("%s %s, %d restarts", d.name, state, d.restarts))
	}
	return strings.Join(out, "; ")
}
