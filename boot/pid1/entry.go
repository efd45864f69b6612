package pid1

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

// findEntry says which boot entry led here: with UEFI, the newest one whose
// kernel file is of the slot that runs.
func (m *machine) findEntry(esp string) error {
	if _, err := os.Stat("/sys/firmware/efi"); err != nil || m.args["aria.direct"] != "" {
		return nil // the hypervisor has chosen the kernel
	}
	m.running.Boot = "uefi"
	list, err := os.ReadDir(filepath.Join(esp, layout.Entries))
	if err != nil {
		return fmt.Errorf("boot entries: %w", err)
	}
	for _, f := range list {
		e, ok := layout.ParseEntry(f.Name())
		if !ok || e.Generation < m.running.Generation {
			continue
		}
		text, err := os.ReadFile(filepath.Join(esp, layout.Entries, f.Name()))
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "efi /"+layout.UKI(m.running.Slot)+"\n") {
			m.running.Generation, m.running.Entry, m.running.Tries = e.Generation, f.Name(), e.Counted
		}
	}
	return nil
}

// bless takes the counter off the entry: from here on this version is the one
// that is booted. It is called once, when the machine is healthy.
func (m *machine) bless() error {
	if !m.running.Tries {
		return nil
	}
	name := layout.Entry{Generation: m.running.Generation}.Name()
	err := m.withESP(true, func(dir string) error {
		folder := filepath.Join(dir, layout.Entries)
		return os.Rename(filepath.Join(folder, m.running.Entry), filepath.Join(folder, name))
	})
	if err != nil {
		return fmt.Errorf("mark this version healthy: %w", err)
	}
	m.running.Entry, m.running.Tries = name, false
	m.log.Info("aria: this version is healthy and stays", "generation", m.running.Generation)
	return m.writeState()
}

// writeState tells the daemons what runs.
func (m *machine) writeState() error {
	if err := os.MkdirAll(filepath.Dir(layout.State), 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(m.running)
	if err != nil {
		return err
	}
	tmp := layout.State + ".new"
	if err := os.WriteFile(tmp, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, layout.State)
}

// remember keeps why this version could not start, for the one that runs next.
func (m *machine) remember(text string) {
	if m.running.RootHash == "" {
		return
	}
	var st unix.Statfs_t
	if unix.Statfs(layout.DataDir, &st) != nil || st.Type != unix.EXT4_SUPER_MAGIC {
		return
	}
	path := fmt.Sprintf("%s/failed-%06d", layout.FirmwareDir, m.running.Generation)
	if os.WriteFile(path, []byte(text), 0o600) == nil {
		unix.Sync()
	}
}
