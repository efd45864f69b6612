package pid1

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// moduleLine is one line of /modules/list, as boot/kernel writes it.
type moduleLine struct {
	name    string
	when    string // "always", "device", "disk", "needed"
	needs   []string
	aliases []string
}

func parseModules(text string) (out []moduleLine) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		m := moduleLine{name: f[0], when: f[1], aliases: f[3:]}
		if f[2] != "-" {
			m.needs = strings.Split(f[2], ",")
		}
		out = append(out, m)
	}
	return out
}

// loadModules loads what every machine needs, then what its devices call for; the
// drivers of disks that a virtual machine has not wait until one is missed.
func (m *machine) loadModules() error {
	text, err := os.ReadFile("/modules/list")
	if err != nil {
		return err
	}
	m.drivers = &loader{log: m.log, list: parseModules(string(text)), byName: map[string]moduleLine{}, done: map[string]bool{}}
	for _, line := range m.drivers.list {
		m.drivers.byName[line.name] = line
	}
	for _, line := range m.drivers.list {
		if line.when == "always" {
			if err := m.drivers.load(line.name); err != nil {
				return err
			}
		}
	}
	m.drivers.settle(false)
	if m.lastWords = lastWords(); m.lastWords != "" {
		m.log.Error("aria: the start before this one ended in a kernel panic", "said", m.lastWords)
	}
	return nil
}

// settle loads drivers until no new device asks for one. Disks behind a bus that
// looks for them on its own time (USB, SATA, SCSI) may still be to come.
func (l *loader) settle(disks bool) {
	for {
		before, devices := len(l.done), modaliases()
		for _, line := range l.list {
			if !l.done[line.name] && (disks || line.when != "disk") && wanted(line.aliases, devices) {
				if err := l.load(line.name); err != nil {
					l.log.Warn("driver not loaded", "module", line.name, "err", err)
					l.done[line.name] = true
				}
			}
		}
		if len(l.done) == before {
			return
		}
	}
}

type loader struct {
	log    *slog.Logger
	list   []moduleLine // in load order
	byName map[string]moduleLine
	done   map[string]bool
}

func (l *loader) load(name string) error {
	line, ok := l.byName[name]
	if !ok || l.done[name] {
		return nil
	}
	for _, n := range line.needs {
		if err := l.load(n); err != nil {
			return err
		}
	}
	l.done[name] = true
	f, err := os.Open("/modules/" + name + ".ko")
	if err != nil {
		return err
	}
	defer f.Close()
	// ENODEV: a driver for an instruction this processor lacks; another does.
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("module %s: %w", name, err)
	}
	return nil
}

// modaliases are what the devices of this machine call themselves.
func modaliases() (out []string) {
	files, _ := filepath.Glob("/sys/bus/*/devices/*/modalias")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			out = append(out, strings.ReplaceAll(strings.TrimSpace(string(b)), "/", "|")) // "*" of a pattern crosses no "/"
		}
	}
	return out
}

// wanted is true when an alias fits a device. Most differ in their first letters,
// which are compared before the pattern is: there are thousands of pairs.
func wanted(aliases, devices []string) bool {
	for _, a := range aliases {
		head := a
		if i := strings.IndexAny(a, "*?["); i >= 0 {
			head = a[:i]
		}
		for _, d := range devices {
			if !strings.HasPrefix(d, head) {
				continue
			}
			if ok, _ := path.Match(a, d); ok {
				return true
			}
		}
	}
	return false
}
