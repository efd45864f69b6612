package system

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Snapshot counts what an instance holds of the machine. Two snapshots of a
// quiet instance differ only by what leaked in between.
type Snapshot struct {
	Processes   int
	Descriptors int
	Threads     int
	Mounts      int // in every mount namespace of its processes
	Namespaces  int // distinct ones its processes stand in or hold open
	Cgroups     int // of its launcher, in every hierarchy: others may work beside us
	Files       int // in the data folder and its run folder, journals aside
	Resident    int64
}

// Snapshot looks at the supervisor and everything below it.
func (i *Instance) Snapshot() (Snapshot, error) {
	var s Snapshot
	ns := map[string]bool{}
	mountNS := map[string]bool{}
	for _, pid := range i.PIDs() {
		p := fmt.Sprintf("/proc/%d", pid)
		fds, err := os.ReadDir(p + "/fd")
		if err != nil {
			continue // it ended while we looked
		}
		s.Processes++
		s.Descriptors += len(fds)
		s.Resident += residentBytes(p)
		if t, err := os.ReadDir(p + "/task"); err == nil {
			s.Threads += len(t)
		}
		collectNamespaces(p, fds, ns)
		if l, err := os.Readlink(p + "/ns/mnt"); err == nil && !mountNS[l] {
			mountNS[l] = true
			s.Mounts += countLines(p + "/mountinfo")
		}
	}
	s.Namespaces = len(ns)
	s.Files = i.files()
	var err error
	s.Cgroups, err = CountCgroups(i.PIDs()...)
	return s, err
}

// PIDs are the supervisor's and those of all its descendants.
func (i *Instance) PIDs() []int {
	children := map[int][]int{}
	procs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range procs {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// "pid (name) state ppid …", where the name may hold anything (proc(5)).
		rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
		if fields := strings.Fields(rest); len(fields) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			ppid, _ := strconv.Atoi(fields[1])
			children[ppid] = append(children[ppid], pid)
		}
	}
	out := []int{i.PID()}
	for n := 0; n < len(out); n++ {
		out = append(out, children[out[n]]...)
	}
	sort.Ints(out)
	return out
}

func collectNamespaces(p string, fds []os.DirEntry, into map[string]bool) {
	links, _ := filepath.Glob(p + "/ns/*")
	for _, fd := range fds {
		links = append(links, p+"/fd/"+fd.Name())
	}
	for _, l := range links {
		to, err := os.Readlink(l)
		if err == nil && strings.HasSuffix(to, "]") && strings.Contains(to, ":[") &&
			!strings.HasPrefix(to, "socket:") && !strings.HasPrefix(to, "pipe:") {
			into[to] = true
		}
	}
}

func residentBytes(p string) int64 {
	b, err := os.ReadFile(p + "/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func countLines(p string) int {
	f, err := os.Open(p)
	if err != nil {
		return 0
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}

// CountCgroups counts the groups below this process's own, in all hierarchies;
// with owners only those of these launchers (others may work beside us).
func CountCgroups(owners ...int) (int, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(own)), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, root := range cgroupRoots(f[1]) {
			filepath.WalkDir(filepath.Join(root, f[2]), func(p string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() && ownedBy(p, owners) {
					n++
				}
				return nil
			})
		}
	}
	return n, nil
}

func ownedBy(path string, owners []int) bool {
	return len(owners) == 0 || slices.ContainsFunc(owners, func(pid int) bool { return strings.Contains(path, fmt.Sprintf("/aria-quilt.%d.", pid)) })
}

func cgroupRoots(controllers string) []string {
	if controllers == "" {
		return existing("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
	}
	return existing("/sys/fs/cgroup/" + controllers)
}

func existing(dirs ...string) []string {
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "cgroup.procs")); err == nil {
			return []string{d}
		}
	}
	return nil
}

func (i *Instance) files() int {
	n := 0
	filepath.WalkDir(i.Dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !strings.HasSuffix(p, "-wal") && !strings.HasSuffix(p, "-shm") {
			n++
		}
		return nil
	})
	return n
}
