package pid1

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/verity"
)

// Device mapper's ioctls (linux/dm-ioctl.h).
const (
	dmSize     = 312 // struct dm_ioctl
	dmCreate   = 3
	dmSuspend  = 6 // without the suspend flag: resume
	dmLoad     = 9
	dmReadOnly = 1
)

// openVerity makes /dev/dm-0 out of a device with data and tree.
func openVerity(device string, dataSize int64, rootHex string) (string, error) {
	ctl, err := os.OpenFile("/dev/mapper/control", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("device mapper: %w", err)
	}
	defer ctl.Close()
	spec := make([]byte, 40)
	binary.LittleEndian.PutUint64(spec[8:], uint64(dataSize/512))
	copy(spec[24:], "verity")
	params := append([]byte(verity.Table(device, dataSize, rootHex)), 0)
	for len(params)%8 != 0 {
		params = append(params, 0)
	}
	for _, c := range []struct {
		command uintptr
		body    []byte
	}{{dmCreate, nil}, {dmLoad, append(spec, params...)}, {dmSuspend, nil}} {
		if err := dmCall(int(ctl.Fd()), c.command, "aria-root", c.body); err != nil {
			return "", fmt.Errorf("device mapper, command %d: %w", c.command, err)
		}
	}
	return "/dev/dm-0", nil
}

func dmCall(fd int, command uintptr, name string, body []byte) error {
	b := make([]byte, dmSize, dmSize+len(body))
	b = append(b, body...)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 4) // version of the interface
	le.PutUint32(b[12:], uint32(len(b)))
	le.PutUint32(b[16:], dmSize)
	if body != nil {
		le.PutUint32(b[20:], 1) // one target
	}
	le.PutUint32(b[28:], dmReadOnly)
	copy(b[48:], name)
	number := uintptr(3)<<30 | dmSize<<16 | 0xfd<<8 | command
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(unsafe.Pointer(&b[0])))
	runtime.KeepAlive(b)
	if e != 0 {
		return e
	}
	return nil
}

// holds is true when the tree that follows dataSize bytes of f has that root.
func holds(f *os.File, dataSize int64, root []byte, sum func([]byte) [32]byte) bool {
	top := make([]byte, verity.Block)
	if _, err := f.ReadAt(top, dataSize); err != nil {
		return false
	}
	got := sum(top)
	return bytes.Equal(got[:], root)
}
