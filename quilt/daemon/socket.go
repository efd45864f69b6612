package daemon

import (
	"fmt"
	"net"
	"os"
	"syscall"

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
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return f, nil
}
