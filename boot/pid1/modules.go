package pid1

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// moduleLine is one line of /modules/list, as boot/kernel writes it.
type moduleLine struct {
	name    string
	always  bool
	needs   []string
	aliases []string
}

func parseModules(text string) (out []moduleLine) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		m := moduleLine{name: f[0], always: f[1] == "always", aliases: f[3:]}
		if f[2] != "-" {
			m.needs = strings.Split(f[2], ",")
		}
		out = append(out, m)
	}
	return out
}

// loadModules loads what every machine needs, then what its devices call for,
// until no new device appears.
func (m *machine) loadModules() error {
	text, err := os.ReadFile("/modules/list")
	if err != nil {
		return err
	}
	list := parseModules(string(text))
	l := loader{byName: map[string]moduleLine{}, done: map[string]bool{}}
	for _, line := range list {
		l.byName[line.name] = line
	}
	for _, line := range list {
		if line.always {
			if err := l.load(line.name); err != nil {
				return err
			}
		}
	}
	for {
		before, devices := len(l.done), modaliases()
		for _, line := range list {
			if !l.done[line.name] && wanted(line.aliases, devices) {
				if err := l.load(line.name); err != nil {
					m.log.Warn("driver not loaded", "module", line.name, "err", err)
					l.done[line.name] = true
				}
			}
		}
		if len(l.done) == before {
			return nil
		}
	}
}

type loader struct {
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
			out = append(out, strings.TrimSpace(string(b)))
		}
	}
	return out
}

func wanted(aliases, devices []string) bool {
	for _, a := range aliases {
		for _, d := range devices {
			if ok, _ := path.Match(a, strings.ReplaceAll(d, "/", "|")); ok {
				return true
			}
		}
	}
	return false
}
