package pid1

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/gpt"
	"github.com/ariacomputecompany/firmware/boot/layout"
)

// newData is the partition's name until its file system is whole: a power cut
// in between leaves a name that says so.
const newData = layout.Data + "-new"

// dataOptions leave the last hundredth of the partition to ariad: what containers
// and quiltd write can fill the disk, but not silence the machine.
var dataOptions = fmt.Sprintf("errors=remount-ro,resuid=%d", layout.AriaUID)

// openData makes the data partition at the first start, grows it when the disk
// has grown, repairs and mounts it. A disk that has a data partition without a
// file system that we know is refused, never formatted.
func (m *machine) openData() error {
	part, grown, err := m.dataPartition()
	if err != nil {
		return err
	}
	dev := m.disk.part(part.Number)
	if part.Name == newData {
		m.log.Info("aria: making the data partition", "device", dev, "mib", part.Size()>>20)
		if err := run("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", "aria-data", "-m", "1",
			"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", dev); err != nil {
			return err
		}
		if err := m.nameData(); err != nil {
			return err
		}
	} else if err := check(m, dev); err != nil {
		return err
	}
	if err := os.MkdirAll(layout.DataDir, 0o755); err != nil && !errors.Is(err, unix.EROFS) {
		return err
	}
	if err := unix.Mount(dev, layout.DataDir, "ext4", quiet, dataOptions); err != nil {
		return fmt.Errorf("the data partition %s cannot be mounted: %w", dev, err)
	}
	if grown {
		if err := growExt4(layout.DataDir, part.Size()); err != nil {
			m.log.Warn("the data partition keeps its size", "err", err)
		}
	}
	if err := m.dataFolders(); err != nil {
		return err
	}
	m.keepReserve()
	return nil
}

// dataPartition reads the table and gives the data partition the disk's rest.
func (m *machine) dataPartition() (gpt.Part, bool, error) {
	f, err := os.OpenFile(m.disk.path(), os.O_RDWR, 0)
	if err != nil {
		return gpt.Part{}, false, err
	}
	defer f.Close()
	size, err := m.disk.size()
	if err != nil {
		return gpt.Part{}, false, err
	}
	table, err := gpt.Read(f, size)
	if err != nil {
		return gpt.Part{}, false, fmt.Errorf("%s: %w", m.disk.path(), err)
	}
	name := newData
	if _, ok := table.Find(layout.Data); ok {
		name = layout.Data
	}
	_, there := table.Find(name)
	p, changed := table.Extend(gpt.Part{Number: 4, Name: name, Type: layout.TypeData, GUID: randomGUID()}, size, layout.Align)
	if p.Size() < layout.DataLeast {
		return p, false, fmt.Errorf("the disk %s (%d MiB) is too small: after the firmware %d MiB are left for data and %d are needed; give the machine a larger disk",
			m.disk.path(), size>>20, p.Size()>>20, layout.DataLeast>>20)
	}
	if !changed {
		return p, false, nil
	}
	if err := table.Write(f, size); err != nil {
		return p, false, err
	}
	if err := f.Sync(); err != nil {
		return p, false, err
	}
	return p, there && name == layout.Data, tellKernel(f, p, there)
}

// nameData gives the partition its name, now that its file system is whole.
func (m *machine) nameData() error {
	f, err := os.OpenFile(m.disk.path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := m.disk.size()
	if err != nil {
		return err
	}
	table, err := gpt.Read(f, size)
	if err != nil {
		return err
	}
	for i := range table.Parts {
		if table.Parts[i].Name == newData {
			table.Parts[i].Name = layout.Data
		}
	}
	if err := table.Write(f, size); err != nil {
		return err
	}
	return f.Sync()
}

// tellKernel adds or resizes one partition while others of the disk are in use
// (linux/blkpg.h).
func tellKernel(f *os.File, p gpt.Part, resize bool) error {
	const blkpg = 0x1269
	var part [152]byte
	binary.LittleEndian.PutUint64(part[0:], uint64(p.Offset()))
	binary.LittleEndian.PutUint64(part[8:], uint64(p.Size()))
	binary.LittleEndian.PutUint32(part[16:], uint32(p.Number))
	arg := struct {
		op, flags, size int32
		data            unsafe.Pointer
	}{op: 1, size: int32(len(part)), data: unsafe.Pointer(&part[0])}
	if resize {
		arg.op = 3
	}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blkpg, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(&part)
	if e != 0 {
		return fmt.Errorf("tell the kernel of partition %d: %w", p.Number, e)
	}
	return nil
}

// check repairs what a power cut may have left.
func check(m *machine, dev string) error {
	err := exec.Command("/sbin/e2fsck", "-p", dev).Run()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() <= 1 {
		return nil
	}
	m.log.Warn("aria: the data partition needs more repair", "device", dev, "err", err)
	out, err := exec.Command("/sbin/e2fsck", "-y", dev).CombinedOutput()
	m.log.Warn("aria: repaired", "device", dev, "said", string(out))
	if err == nil || errors.As(err, &exit) && exit.ExitCode() <= 1 {
		return nil
	}
	return fmt.Errorf("the data partition %s is damaged and could not be repaired (%w); it was not formatted: rescue what is on it, then erase its entry from the partition table", dev, err)
}

func growExt4(dir string, size int64) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	const resizeFS = 0x40086610 // EXT4_IOC_RESIZE_FS
	blocks := uint64(size / 4096)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), resizeFS, uintptr(unsafe.Pointer(&blocks))); e != 0 {
		return fmt.Errorf("grow: %w", e)
	}
	return nil
}

// dataFolders gives each daemon its own, and seeds the random generator with
// what the last start left.
func (m *machine) dataFolders() error {
	for _, d := range []struct {
		path string
		uid  int
		mode os.FileMode
	}{
		{layout.DaemonData, 0, 0o755}, {layout.DaemonData + "/aria", layout.AriaUID, 0o700},
		{layout.FirmwareDir, 0, 0o700}, {layout.LogDir, 0, 0o700},
	} {
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return err
		}
		if err := os.Chown(d.path, d.uid, d.uid); err != nil {
			return err
		}
	}
	seed := layout.FirmwareDir + "/seed"
	if old, err := os.ReadFile(seed); err == nil {
		_ = os.WriteFile("/dev/urandom", old, 0)
	}
	fresh := make([]byte, 512)
	_, _ = rand.Read(fresh)
	if err := os.WriteFile(seed, fresh, 0o600); err != nil {
		m.log.Warn("no random seed kept", "err", err)
	}
	if err := m.out.keep(layout.LogDir); err != nil {
		m.log.Warn("no log kept", "err", err)
	}
	return nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func randomGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
