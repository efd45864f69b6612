package oci

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// pty is a terminal of the container's own devpts.
type pty struct {
	master, slave *os.File
	name          string
}

// openPty opens a terminal of the devpts that is mounted in r.
func openPty(r *root) (*pty, error) {
	master, err := r.open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "process.terminal is set, but the container has no /dev/pts")
	}
	p := &pty{master: master}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, p.fail("unlock", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, p.fail("number", err)
	}
	p.name = "/dev/pts/" + strconv.Itoa(n)
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	slave, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, flags)
	if e != 0 {
		return nil, p.fail("open", e)
	}
	p.slave = os.NewFile(uintptr(slave), p.name)
	return p, nil
}

// fail gives the master up.
func (p *pty) fail(what string, err error) error {
	p.master.Close()
	return fmt.Errorf("terminal: %s: %w", what, err)
}

// hand sends the master to whoever asked for it and keeps the slave.
func (p *pty) hand(socket int, size *specs.Box) error {
	if size != nil {
		ws := &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
		if err := unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, ws); err != nil {
			return fmt.Errorf("terminal size: %w", err)
		}
	}
	// Without this every line that is read from the master ends in two characters.
	if t, err := unix.IoctlGetTermios(int(p.master.Fd()), unix.TCGETS); err == nil {
		t.Oflag &^= unix.ONLCR
		_ = unix.IoctlSetTermios(int(p.master.Fd()), unix.TCSETS, t)
	}
	rights := unix.UnixRights(int(p.master.Fd()))
	if err := unix.Sendmsg(socket, []byte(p.name), rights, nil, 0); err != nil {
		return fmt.Errorf("send the terminal: %w", err)
	}
	p.master.Close()
	return nil
}

// adopt makes the slave the calling process's terminal and its three streams.
func (p *pty) adopt() error {
	for to := range 3 {
		if err := unix.Dup3(int(p.slave.Fd()), to, 0); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
	}
	p.slave.Close()
	if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 0); err != nil {
		return fmt.Errorf("controlling terminal: %w", err)
	}
	return nil
}

// bindConsole shows the terminal as /dev/console.
func (b *builder) bindConsole(p *pty) error {
	to, err := b.root.mkfile("/dev/console")
	if err != nil {
		return err
	}
	defer to.Close()
	tree, err := unix.OpenTree(int(p.slave.Fd()), "", uint(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH))
	if err != nil {
		return fmt.Errorf("/dev/console: %w", err)
	}
	defer unix.Close(tree)
	return attach(tree, int(to.Fd()))
}

// dialConsole connects to the socket that waits for the master.
func dialConsole(path string) (*os.File, error) {
	f, err := dialSocket(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the console socket %s cannot be reached", path)
	}
	return f, nil
}

// dialSocket connects to a socket of the host's.
func dialSocket(path string) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// Through the open folder: a socket's path may be 107 bytes long.
	short := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: short}); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// screen is the other end of a terminal when quilt-oci itself stays in front.
type screen struct {
	ours, theirs *os.File
	master       *os.File
	done         chan struct{}
	old          *term.State
}

func newScreen() (*screen, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &screen{ours: os.NewFile(uintptr(p[0]), "screen"), theirs: os.NewFile(uintptr(p[1]), "screen"), done: make(chan struct{})}, nil
}

// show receives the master and copies until the container's side is closed.
func (s *screen) show() error {
	s.theirs.Close()
	conn, err := net.FileConn(s.ours)
	s.ours.Close()
	if err != nil {
		return err
	}
	defer conn.Close()
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("screen: not a local socket")
	}
	name, oob := make([]byte, 256), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := uc.ReadMsgUnix(name, oob)
	if err != nil {
		return fmt.Errorf("receive the terminal: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return fmt.Errorf("receive the terminal: no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("receive the terminal: no descriptor came")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return err
	}
	s.master = os.NewFile(uintptr(fds[0]), "terminal")
	if term.IsTerminal(0) {
		s.old, _ = term.MakeRaw(0)
		go s.follow()
	}
	go func() { _, _ = io.Copy(s.master, os.Stdin) }()
	go func() {
		defer close(s.done)
		_, _ = io.Copy(os.Stdout, s.master) // ends with EIO once nobody has the slave
	}()
	return nil
}

// follow hands on the size of our own terminal.
func (s *screen) follow() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGWINCH)
	for {
		if ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
			_ = unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, ws)
		}
		<-c
	}
}

// end waits for the last output and restores our terminal.
func (s *screen) end() {
	if s.master != nil {
		<-s.done
	}
	if s.old != nil {
		_ = term.Restore(0, s.old)
	}
}
