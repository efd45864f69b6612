package pid1

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/update"
	"github.com/ariacomputecompany/firmware/firmware"
	socket "github.com/ariacomputecompany/firmware/firmware/control"
)

// openUpdates reads what became of the last update, and serves the socket over
// which ariad hands in the next one and says that the machine is healthy. Both
// daemons start after it, so that no word of theirs is lost.
func (m *machine) openUpdates() error {
	keys, err := firmware.ReadPublic(layout.FirmwareKeys)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(keys) == 0 {
		m.log.Info("no firmware key is baked into this image: updates are refused")
	}
	patience := time.Duration(0) // boot/update's own
	if text := m.args[layout.ArgPatience]; text != "" {
		if patience, err = time.ParseDuration(text); err != nil || patience < time.Second {
			return fmt.Errorf("%s=%s: write a duration such as 90s", layout.ArgPatience, text)
		}
	}
	m.reboot = make(chan string, 1)
	m.updates, err = update.New(update.Machine{
		Running: m.running, Keys: keys,
		Root: func(slot string) string { return m.rootDevice(slot) },
		ESP:  m.writeESP,
		Reboot: func(why string) {
			select {
			case m.reboot <- why:
			default: // one is enough
			}
		},
		DataDir: layout.FirmwareDir, Patience: patience, LastWords: m.lastWords,
	}, m.log)
	if err != nil {
		return err
	}
	ln, err := socket.Listen(layout.UpdateSocket, layout.AriaUID)
	if err != nil {
		return err
	}
	go func() {
		if err := socket.Serve(context.Background(), ln, layout.AriaUID, m.updates, m.log); err != nil {
			m.log.Error("the update service ended", "err", err)
		}
	}()
	go m.updates.Watch(context.Background())
	return nil
}

// rootDevice is a slot's root partition on the disk that we run from; empty when
// it is not there.
func (m *machine) rootDevice(slot string) string {
	for _, p := range partitionsNamed(layout.Root(slot)) {
		if p.disk == m.disk {
			return p.path()
		}
	}
	return ""
}

// writeESP is withESP, for those who cannot do without one.
func (m *machine) writeESP(do func(dir string) error) error {
	m.esp.Lock()
	defer m.esp.Unlock()
	found := false
	err := m.withESP(true, func(dir string) error {
		found = true
		return do(dir)
	})
	if err == nil && !found {
		err = errors.New("this disk has no " + layout.ESP)
	}
	return err
}
