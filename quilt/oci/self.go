package oci

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealedSelf is a copy of this program that nobody can write to: what runs in a
// container's namespaces can be opened there, through /proc, and the program on
// disk must not be what is opened (CVE-2019-5736).
func sealedSelf() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	defer self.Close()
	fd, err := unix.MemfdCreate("quilt-oci", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // a kernel that does not know the last flag needs none
		fd, err = unix.MemfdCreate("quilt-oci", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	copied := os.NewFile(uintptr(fd), "quilt-oci")
	if _, err := io.Copy(copied, self); err != nil {
		copied.Close()
		return nil, fmt.Errorf("own program: %w", err)
	}
	const all = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(copied.Fd(), unix.F_ADD_SEALS, all); err != nil {
		copied.Close()
		return nil, fmt.Errorf("own program: seal: %w", err)
	}
	defer copied.Close()
	// Far above the descriptors that are put in order before it is executed.
	high, err := unix.FcntlInt(copied.Fd(), unix.F_DUPFD_CLOEXEC, 500)
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	return os.NewFile(uintptr(high), "quilt-oci"), nil
}
