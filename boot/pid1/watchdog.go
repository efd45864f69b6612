package pid1

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// watchdog resets the machine when init stops petting it. The zero value does
// nothing.
type watchdog struct{ f *os.File }

// openWatchdog takes the newest device, which is the hardware's where there is
// one: the kernel's own timer is loaded before drivers.
func openWatchdog(log *slog.Logger) *watchdog {
	list, _ := filepath.Glob("/dev/watchdog[0-9]*")
	slices.Sort(list)
	for _, path := range slices.Backward(list) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		const setTimeout = 0xc0045706 // WDIOC_SETTIMEOUT
		if err := unix.IoctlSetPointerInt(int(f.Fd()), setTimeout, 60); err != nil {
			log.Warn("the watchdog keeps its own time", "device", path, "err", err)
		}
		log.Info("aria: watchdog", "device", path)
		return &watchdog{f: f}
	}
	log.Warn("there is no watchdog on this machine")
	return &watchdog{}
}

func (w *watchdog) pet() {
	if w != nil && w.f != nil {
		_, _ = w.f.Write([]byte{0})
	}
}

// disarm says that the end is meant.
func (w *watchdog) disarm() {
	if w != nil && w.f != nil {
		_, _ = w.f.Write([]byte{'V'})
		_ = w.f.Close()
	}
}
