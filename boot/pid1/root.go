package pid1

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/verity"
)

// enterRoot finds the slot that holds the root this kernel was built with,
// opens it through dm-verity and makes it the root.
func (m *machine) enterRoot() error {
	hash := m.args[layout.ArgRoot]
	root, err := hex.DecodeString(hash)
	size, err2 := strconv.ParseInt(m.args[layout.ArgRootSize], 10, 64)
	if err != nil || err2 != nil || len(root) != sha256.Size || size <= 0 || size%verity.Block != 0 {
		return fmt.Errorf("the kernel's command line has no valid %s and %s: boot the image's own kernel file, or pass the words of cmdline.txt", layout.ArgRoot, layout.ArgRootSize)
	}
	part, err := m.findRoot(root, size)
	if err != nil {
		return err
	}
	m.running = layout.Running{Slot: part.name[len(part.name)-1:], Version: m.args["aria.version"], RootHash: hash, Disk: part.disk.path(), Boot: "direct"}
	m.disk = part.disk
	dev, err := openVerity(part.path(), size, hash)
	if err != nil {
		return err
	}
	const at = "/newroot"
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := mountRetry(dev, at, "squashfs", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID); err != nil {
		return fmt.Errorf("slot %s: %w", m.running.Slot, err)
	}
	if err := switchRoot(at); err != nil {
		return err
	}
	return mountAll(lateMounts)
}

// diskTime is how long a disk may take to appear: USB sticks need seconds.
const diskTime = 15 * time.Second

// findRoot waits for the disk, and loads the drivers that it asks for on the way.
// Another disk with slots of its own may be there first.
func (m *machine) findRoot(root []byte, size int64) (partition, error) {
	var seen []string
	for end := time.Now().Add(diskTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if seen != nil {
			m.drivers.settle(true)
		}
		seen = []string{}
		for _, name := range []string{layout.RootA, layout.RootB} {
			for _, p := range partitionsNamed(name) {
				seen = append(seen, p.path())
				f, err := os.Open(p.path())
				if err != nil {
					continue
				}
				ok := holds(f, size, root, sha256.Sum256)
				f.Close()
				if ok {
					return p, nil
				}
			}
		}
	}
	return partition{}, fmt.Errorf("no slot holds the root %s that this kernel was built with (looked at %v): write the image again, or boot the kernel that belongs to it", m.args[layout.ArgRoot], seen)
}

// mountRetry waits for the device node.
func mountRetry(dev, at, kind string, flags uintptr) error {
	var err error
	for range 100 {
		if err = unix.Mount(dev, at, kind, flags, ""); err == nil {
			return nil
		}
		if err != unix.ENOENT && err != unix.ENXIO {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("mount %s: %w", dev, err)
}
