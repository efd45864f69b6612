package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// deviceRules is what a container may open, in cgroup v1's words: null, zero,
// full, random, urandom.
var deviceRules = []string{"c 1:3 rw", "c 1:5 rw", "c 1:7 rw", "c 1:8 r", "c 1:9 r"}

const cpuPeriod = 100_000 // microseconds

// setting is one write into a cgroup.
type setting struct {
	controller string // a v1 controller; ignored on v2
	file       string
	value      string
	ifThere    bool // a kernel without the file needs no such limit
}

// fixedSettings holds for every container and is written when a group is made.
func fixedSettings(version int) []setting {
	if version == 0 {
		return nil
	}
	if version == 2 {
		return []setting{
			{file: "memory.swap.max", value: "0", ifThere: true},
			{file: "memory.oom.group", value: "1", ifThere: true},
		}
	}
	out := []setting{
		{"memory", "memory.swappiness", "0", true},
		{"devices", "devices.deny", "a", false},
	}
	for _, d := range deviceRules {
		out = append(out, setting{"devices", "devices.allow", d, false})
	}
	return out
}

// limitSettings turns a plan's limits into writes.
func limitSettings(version int, l Limits) []setting {
	if version == 0 {
		return nil
	}
	memory, pids := strconv.FormatInt(l.MemoryBytes, 10), strconv.FormatInt(l.Pids, 10)
	quota := strconv.FormatInt(l.CPUMillis*cpuPeriod/1000, 10)
	if version == 2 {
		out := []setting{
			{file: "memory.max", value: memory},
			{file: "pids.max", value: pids},
			{file: "cpu.max", value: fmt.Sprintf("%s %d", quota, cpuPeriod)},
		}
		for _, d := range l.Disks {
			out = append(out, setting{file: "io.max", value: fmt.Sprintf("%s rbps=%d wbps=%d riops=%d wiops=%d", d, l.IOBytes, l.IOBytes, l.IOOps, l.IOOps)})
		}
		return out
	}
	return []setting{
		{"memory", "memory.limit_in_bytes", memory, false},
		// Memory and swap together, so the same number means no swap. The file is
		// missing where the kernel does not account swap.
		{"memory", "memory.memsw.limit_in_bytes", memory, true},
		{"pids", "pids.max", pids, false},
		{"cpu", "cpu.cfs_period_us", strconv.Itoa(cpuPeriod), false},
		{"cpu", "cpu.cfs_quota_us", quota, false},
	}
}

// v1Controllers are the ones a container joins.
var v1Controllers = []string{"memory", "pids", "cpu", "cpuacct", "freezer", "devices"}

// cgroup is one container's group: a directory per v1 hierarchy, or one on v2.
type cgroup struct {
	version int
	dirs    []string          // distinct
	dir     map[string]string // by controller; "" on v2
}

func (g *cgroup) at(controller, file string) string {
	if g.version == 2 {
		controller = ""
	}
	return filepath.Join(g.dir[controller], file)
}

func (g *cgroup) apply(list []setting) error {
	for _, s := range list {
		err := writeFile(g.at(s.controller, s.file), s.value)
		if err != nil && !(s.ifThere && errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("cgroup %s=%s: %w", s.file, s.value, err)
		}
	}
	return nil
}

// entrances opens what a child needs to get in: tasks files on v1, the
// directory on v2.
func (g *cgroup) entrances() (tasks []int, dir int, err error) {
	if g.version == 2 {
		dir, err = unix.Open(g.dir[""], unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return nil, dir, err
	}
	for _, d := range g.dirs {
		fd, err := unix.Open(filepath.Join(d, "tasks"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(tasks)
			return nil, -1, fmt.Errorf("open %s/tasks: %w", d, err)
		}
		tasks = append(tasks, fd)
	}
	return tasks, -1, nil
}

// hasten lets what is about to die do so quickly: without the cpu limit that
// would make a thousand dying processes take seconds, before all other
// containers, and not frozen.
func (g *cgroup) hasten() {
	if g.version == 0 {
		return
	}
	if g.version == 2 {
		_ = writeFile(g.at("", "cpu.max"), "max")
		_ = writeFile(g.at("", "cpu.weight"), "10000")
		_ = writeFile(g.at("", "cgroup.freeze"), "0")
		return
	}
	_ = writeFile(g.at("cpu", "cpu.cfs_quota_us"), "-1")
	_ = writeFile(g.at("cpu", "cpu.shares"), "262144")
	_ = writeFile(g.at("freezer", "freezer.state"), "THAWED")
}

// usage reads what the group has counted so far.
func (g *cgroup) usage() (e Exit) {
	if g.version == 0 {
		return e
	}
	if g.version == 2 {
		e.CPU = time.Duration(readCount(g.at("", "cpu.stat"), "usage_usec")) * time.Microsecond
		e.PeakMemory = readCount(g.at("", "memory.peak"), "")
		e.OOM = readCount(g.at("", "memory.events"), "oom_kill") > 0
		e.PidsHit = readCount(g.at("", "pids.events"), "max") > 0
		return e
	}
	e.CPU = time.Duration(readCount(g.at("cpuacct", "cpuacct.usage"), ""))
	e.PeakMemory = readCount(g.at("memory", "memory.max_usage_in_bytes"), "")
	e.OOM = readCount(g.at("memory", "memory.oom_control"), "oom_kill") > 0
	e.PidsHit = readCount(g.at("pids", "pids.events"), "max") > 0
	return e
}

// remove takes the group away. A group can stay busy for a moment after its
// last process is reaped, so it is tried again for up to two seconds.
func (g *cgroup) remove() error {
	var err error
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		err = nil
		for _, d := range g.dirs {
			if e := unix.Rmdir(d); e != nil && e != unix.ENOENT {
				err = fmt.Errorf("remove cgroup %s: %w", d, e)
			}
		}
		if err == nil {
			return nil
		}
		time.Sleep(wait)
	}
	return err
}

// readCount finds "key N" in a file, or its only number if key is empty. What
// cannot be read counts as 0: it is a figure, not a wall.
func readCount(path, key string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	for i, f := range fields {
		if key == "" {
			n, _ := strconv.ParseInt(f, 10, 64)
			return n
		}
		if f == key && i+1 < len(fields) {
			n, _ := strconv.ParseInt(fields[i+1], 10, 64)
			return n
		}
	}
	return 0
}

// writeFile writes without ever creating: on a cgroup a missing file means a
// missing feature.
func writeFile(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	// The kernel gives up a change of a memory limit when a signal is waiting, and the
	// runtime sends itself some.
	for err = unix.EINTR; err == unix.EINTR; {
		_, err = unix.Write(fd, []byte(value))
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
