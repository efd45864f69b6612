package update

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/slot"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

const (
	// idleTime after which a transfer counts as cut.
	idleTime = 10 * time.Minute
	// syncEvery bounds what waits in memory for a slow disk.
	syncEvery = 16 << 20
	// dataLeast must be free on the data partition: without it the new version
	// could write neither journal nor bundle, and would only come back.
	dataLeast = 8 << 20
	// maxLinux is half of the ESP: two kernel files must fit.
	maxLinux = layout.ESPSize/2 - 2<<20
)

// Begin checks the header, and only when a trusted key has signed it opens the
// other slot. The slot's old entry goes first, so that what is half written can
// never be started. A second image takes the place of one that is on its way.
func (u *Updater) Begin(raw []byte, downgrade bool) (control.Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.free(); err != nil {
		return control.Upload{}, err
	}
	head, err := u.admit(raw, downgrade)
	if err != nil {
		return control.Upload{}, u.refuse(raw, err)
	}
	if up := u.up; up != nil && up.id == head.ID() {
		up.idle.Reset(idleTime)
		return up.where(), nil
	}
	u.drop("another image was sent in its place")
	up, err := u.open(head)
	if err != nil {
		return control.Upload{}, err
	}
	u.up = up
	u.log.Info("firmware receiving", "version", head.Version, "image", up.id, "slot", up.slot, "size", head.Size())
	return up.where(), nil
}

// free says whether an update may begin at all.
func (u *Updater) free() error {
	switch {
	case u.m.Running.Boot != "uefi":
		return fault.New(fault.Unimplemented, "this machine got its kernel from outside, so it cannot change it").
			WithHint("start it by UEFI, or give its host the new kernel")
	case u.restarting:
		return fault.New(fault.Unavailable, "the machine is restarting").WithHint("try again when it is up")
	case u.onTrial:
		return fault.New(fault.Conflict, "firmware %s is still on trial", u.m.Running.Version).
			WithHint("wait until it is kept: arc firmware status")
	}
	return nil
}

// admit checks everything that can be known from the header.
func (u *Updater) admit(raw []byte, downgrade bool) (firmware.Header, error) {
	head, err := firmware.Open(raw, u.m.Keys)
	switch {
	case err != nil:
		return head, err
	case head.Arch != arch():
		return head, fault.New(fault.Invalid, "the image is for %s, this machine is %s", head.Arch, arch())
	case !downgrade && firmware.Older(head.Version, u.m.Running.Version):
		return head, fault.New(fault.Denied, "firmware %s is older than %s, which runs", head.Version, u.m.Running.Version).
			WithHint("what was mended since would be back; if that is what you want: arc firmware push --allow-downgrade")
	case head.Root.Size > layout.RootSize || head.Linux.Size > maxLinux:
		return head, fault.New(fault.Invalid, "the image does not fit its slot: root %d of %d bytes, kernel %d of %d",
			head.Root.Size, int64(layout.RootSize), head.Linux.Size, int64(maxLinux))
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(u.m.DataDir, &fs); err != nil {
		return head, fmt.Errorf("data partition: %w", err)
	}
	if left := fs.Bavail * uint64(fs.Bsize); left < dataLeast {
		return head, fault.New(fault.Exhausted, "the data partition is full: %d KiB are left, a new version needs %d to prove itself", left>>10, dataLeast>>10).
			WithHint("remove bundles or data, then push again")
	}
	return head, nil
}

// refuse remembers why an image was not taken.
func (u *Updater) refuse(raw []byte, err error) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	var version string
	var id firmware.Digest
	if h, err := firmware.Peek(raw); err == nil {
		version, id = h.Version, h.ID()
	}
	u.log.Warn("firmware refused", "version", version, "err", err)
	other := slot.Name(u.m.Running.Slot).Other()
	return errors.Join(err, u.store.Save(u.store.Record().Refuse(version, id, other, f.Message, u.ms())))
}

func (u *Updater) open(head firmware.Header) (*upload, error) {
	other := slot.Name(u.m.Running.Slot).Other()
	up := &upload{head: head, id: head.ID(), slot: other}
	up.sums[0], up.sums[1] = sha256.New(), sha256.New()
	err := u.m.ESP(func(dir string) error {
		if err := different(filepath.Join(dir, layout.UKI(u.m.Running.Slot)), head); err != nil {
			return err
		}
		return clearEntries(dir, u.m.Running.Generation)
	})
	if err != nil {
		return nil, fmt.Errorf("boot entries: %w", err)
	}
	if err := u.store.Save(u.store.Record().Receive(slot.Upload{Version: head.Version, Image: up.id, Slot: other})); err != nil {
		return nil, err
	}
	if up.root, err = os.OpenFile(u.m.Root(string(other)), os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("slot %s: %w", other, err)
	}
	// The kernel file waits in memory: on the ESP it would take the room of two.
	fd, err := unix.MemfdCreate("linux.efi", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("memory for the kernel file: %w", err), up.root.Close())
	}
	up.linux = os.NewFile(uintptr(fd), "linux.efi")
	up.idle = time.AfterFunc(idleTime, func() { u.idled(up) })
	return up, nil
}

// different refuses the very image that runs: init could not tell the slots apart.
func different(running string, head firmware.Header) error {
	f, err := os.Open(running)
	if err != nil {
		return err
	}
	defer f.Close()
	if got, _, err := firmware.Sum(f); err != nil {
		return err
	} else if got == head.Linux.Digest {
		return fault.New(fault.Conflict, "firmware %s is what runs already", head.Version)
	}
	return nil
}

func (up *upload) where() control.Upload {
	return control.Upload{Image: up.id, Offset: up.next, Size: up.head.Size(), Slot: string(up.slot)}
}

// Write takes the next bytes. Another offset than the next one writes nothing
// and is answered with the next one: so the sender finds its place again.
func (u *Updater) Write(image firmware.Digest, offset int64, data []byte) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.up
	if up == nil || up.id != image {
		return 0, fault.New(fault.NotFound, "no transfer of image %.80s is under way", image).WithHint("begin it again")
	}
	up.idle.Reset(idleTime)
	if offset != up.next {
		return up.next, nil
	}
	if offset+int64(len(data)) > up.head.Size() {
		return up.next, fault.New(fault.Invalid, "the image has %d bytes, not %d", up.head.Size(), offset+int64(len(data)))
	}
	if err := up.write(data); err != nil {
		u.drop("its slot cannot be written: " + err.Error())
		return 0, fault.Wrap(err, fault.Unavailable, "slot %s cannot be written", up.slot).WithHint("see the machine's serial line; the disk may be failing")
	}
	return up.next, nil
}

// write puts the bytes where they belong: root first, then the kernel file.
func (up *upload) write(data []byte) error {
	if left := up.head.Root.Size - up.next; left > 0 {
		n := min(left, int64(len(data)))
		if _, err := up.root.WriteAt(data[:n], up.next); err != nil {
			return err
		}
		up.sums[0].Write(data[:n])
		up.next, data = up.next+n, data[n:]
		if up.next-up.synced >= syncEvery || up.next == up.head.Root.Size {
			if err := unix.Fdatasync(int(up.root.Fd())); err != nil {
				return err
			}
			up.synced = up.next
		}
	}
	if len(data) > 0 {
		if _, err := up.linux.WriteAt(data, up.next-up.head.Root.Size); err != nil {
			return err
		}
		up.sums[1].Write(data)
		up.next += int64(len(data))
	}
	return nil
}

func (u *Updater) idled(up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.up == up {
		u.drop(fmt.Sprintf("the transfer was cut: %d of %d bytes came, then nothing for %s", up.next, up.head.Size(), idleTime))
	}
}

// drop ends an upload that will not be completed.
func (u *Updater) drop(why string) {
	up := u.up
	if up == nil {
		return
	}
	u.log.Warn("firmware transfer ended", "version", up.head.Version, "reason", why)
	if err := u.store.Save(u.store.Record().Cut(why, u.ms())); err != nil {
		u.log.Error("firmware record", "err", err)
	}
	u.close()
}

func (u *Updater) close() {
	u.up.idle.Stop()
	_ = u.up.root.Close()
	_ = u.up.linux.Close()
	u.up = nil
}
