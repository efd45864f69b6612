package update

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/slot"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// answerTime lets the answer to Commit get out before the machine restarts.
const answerTime = 500 * time.Millisecond

// Commit reads the slot back, enters it to be tried once, and restarts the
// machine once it has answered. Each step is durable before the next: a cut
// before the entry leaves a machine that never tries what is half written.
func (u *Updater) Commit(image firmware.Digest) (control.Status, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.up
	switch {
	case up == nil || up.id != image:
		return control.Status{}, fault.New(fault.NotFound, "no transfer of image %.80s is under way", image).WithHint("begin it again")
	case up.next < up.head.Size():
		return control.Status{}, fault.New(fault.Conflict, "%d of %d bytes are there", up.next, up.head.Size()).WithHint("send the rest first")
	}
	if err := up.verify(); err != nil {
		u.log.Warn("firmware refused", "version", up.head.Version, "err", err)
		if f, ok := fault.As(err); ok {
			err = errors.Join(err, u.store.Save(u.store.Record().Refuse(up.head.Version, up.id, up.slot, f.Message, u.ms())))
		}
		u.close()
		return control.Status{}, err
	}
	if err := u.enter(up); err != nil {
		return control.Status{}, err
	}
	u.close()
	u.restarting = true
	st := u.status()
	u.log.Info("firmware entered, restarting", "version", up.head.Version, "slot", up.slot)
	time.AfterFunc(answerTime, func() { u.m.Reboot("to try firmware " + up.head.Version) })
	return st, nil
}

// verify compares what came, and what the disk gives back, with the header.
func (up *upload) verify() error {
	for n, want := range []firmware.Digest{up.head.Root.Digest, up.head.Linux.Digest} {
		if firmware.DigestOf(up.sums[n].Sum(nil)) != want {
			return fault.New(fault.Invalid, "the payload is not what the image's header says").
				WithHint("the file was changed after signing; fetch or make it again")
		}
	}
	fd := int(up.root.Fd())
	// Clean pages are dropped, so that the disk itself is read and not our memory of it.
	if err := errors.Join(unix.Fdatasync(fd), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)); err != nil {
		return fmt.Errorf("slot %s: %w", up.slot, err)
	}
	got, n, err := firmware.Sum(io.NewSectionReader(up.root, 0, up.head.Root.Size))
	if err != nil {
		return fmt.Errorf("read slot %s back: %w", up.slot, err)
	}
	if n != up.head.Root.Size || got != up.head.Root.Digest {
		return fault.New(fault.Unavailable, "slot %s does not give back what was written to it", up.slot).WithHint("the disk is failing: replace it")
	}
	return nil
}

// enter writes the kernel file and the boot entry.
func (u *Updater) enter(up *upload) error {
	rec := u.store.Record()
	return u.m.ESP(func(dir string) error {
		generation, err := nextGeneration(dir, u.m.Running.Generation, rec)
		if err != nil {
			return err
		}
		next, err := rec.Enter(slot.Trial{Version: up.head.Version, Image: up.id, Slot: up.slot, Generation: generation})
		if err != nil {
			return err
		}
		if _, err := up.linux.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := place(filepath.Join(dir, layout.UKI(string(up.slot))), up.linux); err != nil {
			return fmt.Errorf("kernel file: %w", err)
		}
		if err := u.store.Save(next); err != nil {
			return err
		}
		entry := layout.Entry{Generation: generation, Counted: true, Left: 1}.Name()
		text := layout.EntryText(generation, string(up.slot))
		if err := place(filepath.Join(dir, layout.Entries, entry), newText(text)); err != nil {
			return errors.Join(fmt.Errorf("boot entry: %w", err), u.store.Save(rec))
		}
		return u.store.Save(next.At(slot.Entered))
	})
}
