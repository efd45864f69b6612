package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sweep removes what launchers that are dead left behind. It returns how many
// groups it took away.
func (h *hierarchy) sweep(name string) (int, error) {
	dead, err := h.strike(name)
	if err != nil {
		return 0, err
	}
	return len(dead), h.clear(dead)
}

// strike ends what still runs in groups of our name whose owner's pid is free or
// belongs to a younger process, and lists them. Nothing in them runs after this:
// what is left of it dies.
func (h *hierarchy) strike(name string) (dead []string, err error) {
	for _, own := range h.dirs() {
		entries, err := os.ReadDir(own)
		if err != nil {
			return dead, fmt.Errorf("sweep: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && ownerDead(e.Name(), name) {
				dead = append(dead, filepath.Join(own, e.Name()))
			}
		}
	}
	for _, dir := range dead {
		h.weigh(filepath.Base(dir), dyingWeight)
		// On v1 every container is in every hierarchy: one is enough to find it.
		if h.version == 1 && filepath.Dir(dir) != h.own["freezer"] {
			continue
		}
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				endGroup(path)
			}
			return nil
		})
	}
	return dead, nil
}

// clear removes groups, which may take until their last process is gone.
func (h *hierarchy) clear(dead []string) error {
	for _, dir := range dead {
		if err := removeTree(dir, h.version); err != nil {
			return err
		}
	}
	return nil
}

// endGroup kills what runs in one group.
func endGroup(dir string) {
	procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for p := range strings.FieldsSeq(string(procs)) {
		if pid, err := strconv.Atoi(p); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	// A frozen process cannot die.
	_ = writeFile(filepath.Join(dir, "freezer.state"), "THAWED")
	_ = writeFile(filepath.Join(dir, "cgroup.freeze"), "0")
}

func ownerDead(group, name string) bool {
	rest, ok := strings.CutPrefix(group, name+".")
	if !ok {
		return false
	}
	p, s, ok := strings.Cut(strings.TrimSuffix(rest, ".launcher"), ".")
	if !ok {
		return false
	}
	pid, err1 := strconv.Atoi(p)
	start, err2 := strconv.ParseUint(s, 10, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	now, err := startTime(pid)
	if os.IsNotExist(err) {
		return true
	}
	return err == nil && now != start
}

// removeTree removes a dead owner's group, children first.
func removeTree(dir string, version int) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another start sweeps at the same time
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name()), version); err != nil {
				return err
			}
		}
	}
	endGroup(dir)
	return (&cgroup{version: version, dirs: []string{dir}}).remove()
}

// Sweep removes what launchers that are dead left behind, without being one. An
// empty name is the usual one. It returns how many groups it took away.
func Sweep(name string) (int, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	if name == "" {
		name = defaultCgroup
	}
	h, err := findHierarchy(string(mounts), string(self), name)
	if err != nil {
		return 0, err
	}
	return h.sweep(name)
}
