package update

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/slot"
)

// Healthy keeps the version on trial: the entry loses its counter, then the
// record says so. With nothing on trial it does nothing.
func (u *Updater) Healthy() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.onTrial || u.restarting {
		return nil
	}
	if err := u.m.ESP(func(dir string) error { return settle(dir, u.m.Running.Generation) }); err != nil {
		return fmt.Errorf("boot entry: %w", err)
	}
	u.onTrial = false
	close(u.healthy)
	u.log.Info("firmware kept", "version", u.m.Running.Version, "slot", u.m.Running.Slot)
	return u.store.Save(u.store.Record().Keep(u.ms()))
}

// Unwell keeps ariad's word for why it is not healthy; it becomes the reason when
// time runs out.
func (u *Updater) Unwell(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.onTrial {
		u.unwell = reason
	}
}

// Daemons says that ariad and quiltd were started.
func (u *Updater) Daemons() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.onTrial {
		return nil
	}
	return u.store.Save(u.store.Record().At(slot.Daemons))
}

// GiveUp ends the trial of the running version for a reason, and restarts into
// the old one. With nothing on trial it does nothing: there is nothing to go
// back to.
func (u *Updater) GiveUp(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.onTrial || u.restarting {
		return
	}
	u.restarting = true
	if err := u.store.Save(u.store.Record().Fail(reason)); err != nil {
		u.log.Error("firmware record", "err", err)
	}
	u.log.Error("firmware given up, going back", "version", u.m.Running.Version, "reason", reason)
	u.m.Reboot("firmware " + u.m.Running.Version + " is not healthy: " + reason)
}

// full says so when the data partition is.
func (u *Updater) full() string {
	var fs unix.Statfs_t
	if err := unix.Statfs(u.m.DataDir, &fs); err != nil {
		return "; the data partition cannot be asked: " + err.Error()
	}
	if left := fs.Bavail * uint64(fs.Bsize); left < dataLeast {
		return fmt.Sprintf("; the data partition is full (%d KiB left)", left>>10)
	}
	return ""
}

// Watch gives a version on trial its time to become healthy. It returns when it
// was found so, when it was given up, or with ctx.
func (u *Updater) Watch(ctx context.Context) {
	if !u.OnTrial() {
		return
	}
	select {
	case <-ctx.Done():
	case <-u.healthy:
	case <-time.After(u.m.Patience):
		u.mu.Lock()
		why := u.unwell
		u.mu.Unlock()
		if why == "" {
			why = "ariad never came up to say how it is"
		}
		u.GiveUp(fmt.Sprintf("not healthy within %s: %s%s", u.m.Patience, why, u.full()))
	}
}
