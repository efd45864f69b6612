package pid1

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

// blessed notes that the entry of a version on trial has lost its counter.
func (m *machine) blessed() error {
	if !m.running.Tries {
		return nil
	}
	m.running.Entry, m.running.Tries = layout.Entry{Generation: m.running.Generation}.Name(), false
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
