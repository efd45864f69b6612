package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
			if dir := filepath.Join(own, e.Name()); e.IsDir() && ownerDead(e.Name(), name) && removable(dir) {
				dead = append(dead, dir)
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

// endGroup kills what runs in one group. The kernel does it on v2 (since 5.14) for
// whoever may write to the group, which root of a user namespace may not do by itself
// where another such root gave the processes ids.
func endGroup(dir string) {
	_ = writeFile(filepath.Join(dir, "cgroup.kill"), "1")
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

// place is where a launcher had its groups, as it notes it for Sweep: whoever cleans up
// is seldom in the same group.
type place struct {
	Version int               `json:"version"`
	Own     map[string]string `json:"own"`
}

// note writes down where our groups are.
func (h *hierarchy) note(file string) error {
	text, err := json.Marshal(place{h.version, h.own})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// noted is what a launcher wrote down, if that is still there.
func noted(file string) (*hierarchy, bool) {
	text, err := os.ReadFile(file)
	var p place
	if err != nil || json.Unmarshal(text, &p) != nil || p.Version != 1 && p.Version != 2 {
		return nil, false
	}
	h := &hierarchy{version: p.Version, own: p.Own}
	for _, dir := range h.dirs() {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil || st.Type != unix.CGROUP_SUPER_MAGIC && st.Type != unix.CGROUP2_SUPER_MAGIC {
			return nil, false
		}
	}
	return h, true
}

// Sweep removes what launchers that are dead left behind, without being one: below our
// own groups, and where the launcher that wrote the file note had its. An empty name is
// the usual one. It returns how many groups it took away. Without root there may be no
// groups at all, and those of others are left alone.
func Sweep(name, note string) (gone int, err error) {
	if name == "" {
		name = defaultCgroup
	}
	var all []*hierarchy
	own, err := ownHierarchy(name)
	switch {
	case err == nil:
		all = append(all, own)
	case os.Geteuid() == 0:
		return 0, err
	}
	if h, ok := noted(note); ok && (own == nil || !slices.Equal(h.dirs(), own.dirs())) {
		all = append(all, h)
	}
	for _, h := range all {
		n, err := h.sweep(name)
		if gone += n; err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// removable: root removes what anybody left, a user, and root of a user namespace, only
// what may be written to.
func removable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }
