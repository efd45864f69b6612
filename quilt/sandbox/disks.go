package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// disks are those on which a container's use can be limited, "MAJOR:MINOR": whole
// ones, for the kernel takes no partition, and none that is made of others or of
// memory, for what reaches those reaches a whole one too or no disk at all.
func (h *hierarchy) disks() []string {
	if h.version != 2 {
		return nil
	}
	on, err := os.ReadFile(filepath.Join(h.own[""], h.base, "cgroup.subtree_control"))
	if err != nil || !slices.Contains(strings.Fields(string(on)), "io") {
		return nil
	}
	return wholeDisks("/sys/block")
}

func wholeDisks(dir string) (out []string) {
	devices, _ := filepath.Glob(filepath.Join(dir, "*", "dev"))
	for _, file := range devices {
		name := filepath.Base(filepath.Dir(file))
		if slices.ContainsFunc([]string{"ram", "loop", "zram", "dm-", "md", "sr", "fd", "nbd"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		number, err := os.ReadFile(file)
		if err == nil && readCount(filepath.Join(filepath.Dir(file), "size"), "") > 0 {
			out = append(out, strings.TrimSpace(string(number)))
		}
	}
	slices.Sort(out)
	return out
}
