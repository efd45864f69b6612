package daemon

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// listen makes the API's socket. It stays open as long as the launcher lives:
// who connects while one engine follows another waits, and is not refused.
func listen(cfg Config) (*os.File, error) {
	path := cfg.Socket
	fail := func(err error) error {
		return fault.Wrap(err, fault.Unavailable, "the socket %s cannot be made", path).
			WithHint("every folder above it must let user %d pass (chmod o+x), or give another -socket", cfg.UID)
	}
	// The data folder's lock says that nobody listens on what may lie here.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fail(err)
	}
	old := syscall.Umask(0o117) // mode 0660 from its first moment
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	syscall.Umask(old)
	if err != nil {
		return nil, fail(err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Lchown(path, cfg.UID, cfg.SocketGID); err != nil {
		return nil, fail(err)
	}
	f, err := steady(l)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return f, nil
}

// steady is l's descriptor as a file that never blocks. What File gives would
// turn blocking whenever it is handed to a process, and with it the listener of
// every engine that has it: one that waited for a caller in that moment could
// not stop listening, and so not leave, before somebody called.
func steady(l *net.UnixListener) (f *os.File, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if outer := raw.Control(func(have uintptr) { fd, err = unix.FcntlInt(have, unix.F_DUPFD_CLOEXEC, 0) }); outer != nil {
		err = outer
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), l.Addr().String()), nil
}
