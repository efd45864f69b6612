package sandbox

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Booted returns when the container has written its first byte to its control
// socket, which stays there to be read. An error: it ended before, or ctx did.
func (k *Container) Booted(ctx context.Context) error {
	raw, err := k.Control.SyscallConn()
	if err != nil {
		return fmt.Errorf("container %s: %w", k.ID, err)
	}
	defer context.AfterFunc(ctx, func() { _ = k.Control.SetReadDeadline(time.Now()) })()
	var one [1]byte
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, _, failed = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return failed != unix.EAGAIN && failed != unix.EINTR
	})
	if err == nil {
		err = failed
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return fmt.Errorf("container %s did not boot: %w", k.ID, err)
	}
	return k.Control.SetReadDeadline(time.Time{})
}
