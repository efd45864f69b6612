package pid1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

// The reserve is a file that holds space for the day on which the data partition
// is full: quiltd cannot start without writing a little, and a machine without a
// shell on which nothing starts could not be told to remove anything either.
const (
	reserveFile = layout.FirmwareDir + "/reserve"
	reserveSize = 6 << 20
	fullBelow   = 2 << 20 // bytes left to the daemons
)

// keepReserve makes the reserve while there is room, and gives it up at a start
// that finds none. What is written then can fill it again; it is made anew at the
// first start that has room.
func (m *machine) keepReserve() {
	left, err := room(layout.DataDir)
	if err != nil {
		m.log.Warn("the data partition cannot be asked how full it is", "err", err)
		return
	}
	_, err = os.Stat(reserveFile)
	switch missing := errors.Is(err, fs.ErrNotExist); {
	case left < fullBelow && missing:
		m.log.Error("aria: the data partition is full and has no reserve left: give the machine a larger disk", "kib", left>>10)
	case left < fullBelow:
		err := os.Remove(reserveFile)
		m.log.Error("aria: the data partition is full: its reserve is released; remove bundles or data", "kib", left>>10, "err", err)
	case missing && left > 4*reserveSize:
		if err := makeReserve(); err != nil {
			m.log.Warn("no reserve on the data partition", "err", err)
		}
	}
}

// room is what others than root can write, in bytes.
func room(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func makeReserve() error {
	f, err := os.OpenFile(reserveFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, reserveSize); err != nil {
		return errors.Join(fmt.Errorf("allocate: %w", err), f.Close(), os.Remove(reserveFile))
	}
	return errors.Join(f.Sync(), f.Close())
}
