// Package groups finds control groups: where their hierarchies are mounted, and in
// which of them a process is. And it lets a daemon without root step out of the way.
package groups

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Mount is one mounted hierarchy.
type Mount struct {
	root  string // which part of the hierarchy
	Point string // where it is mounted
}

// Resolve turns a path of /proc/self/cgroup into a directory.
func (m Mount) Resolve(path string) string {
	if rest, ok := strings.CutPrefix(path, m.root); ok && m.root != "/" {
		path = rest
	}
	return filepath.Join(m.Point, path)
}

// Mounts reads mountinfo (proc_pid_mountinfo(5)); the key is a v1 controller, or ""
// for v2.
func Mounts(mountinfo string) map[string]Mount {
	out := map[string]Mount{}
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		m := Mount{root: l[3], Point: l[4]}
		switch r[0] {
		case "cgroup2":
			out[""] = m
		case "cgroup":
			for c := range strings.SplitSeq(r[2], ",") {
				out[c] = m
			}
		}
	}
	return out
}

// Paths reads /proc/self/cgroup (cgroups(7)); the keys are those of Mounts.
func Paths(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		for c := range strings.SplitSeq(part[1], ",") {
			out[c] = part[2]
		}
	}
	return out
}

// Leaf is the name of the group to which daemons step aside.
const Leaf = "aria.daemons"

// StepAside moves this process, with what it will start, from its v2 group to one
// below it, Leaf, if that group was handed to its user (systemd: Delegate=yes) and
// nobody else is in it. A group in which there is a process hands no controllers on
// (cgroups(7), "no internal processes"), so whoever was started in it, and not only the
// launcher that needs them, has to go. Where this cannot be done nothing changes.
func StepAside() {
	dir, err := own()
	if err != nil || filepath.Base(dir) == Leaf {
		return
	}
	leaf := filepath.Join(dir, Leaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !os.IsExist(err) {
		return
	}
	if enter(leaf) == nil {
		if others, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err == nil && len(others) == 0 {
			return
		}
		_ = enter(dir) // back to the others
	}
	_ = os.Remove(leaf)
}

// own is this process's v2 group.
func own() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	m, there := Mounts(string(mounts))[""]
	path, in := Paths(string(self))[""]
	if !there || !in {
		return "", errors.New("control groups: no version 2")
	}
	return m.Resolve(path), nil
}

// enter moves this process. A group without that file is none.
func enter(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("0")
	return err
}
