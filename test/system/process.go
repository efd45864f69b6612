package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CommandLine is a process's arguments with the folder of the program left out,
// or "" when it is gone.
func CommandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return ""
	}
	argv := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	argv[0] = filepath.Base(argv[0])
	return strings.Join(argv, " ")
}

// InContainer says whether a process is pid 1 of a pid namespace other than ours.
func InContainer(pid int) bool {
	a, errA := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	b, errB := os.Readlink("/proc/self/ns/pid")
	return errA == nil && errB == nil && a != b
}

// StartTime is when the process began, in clock ticks since boot; "" when it is
// gone or a zombie (proc(5), field 22).
func StartTime(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 || f[0] == "Z" {
		return ""
	}
	return f[19]
}

// Find gives the instance's process whose command line is what, or begins with
// it and a space; the shortest command line wins. 0: none.
func (i *Instance) Find(what string) int {
	found, length := 0, 0
	for _, pid := range i.PIDs() {
		c := CommandLine(pid)
		if c != what && !strings.HasPrefix(c, what+" ") {
			continue
		}
		if what == "quiltd" && strings.HasPrefix(c, "quiltd engine") {
			continue
		}
		if found == 0 || len(c) < length {
			found, length = pid, len(c)
		}
	}
	return found
}
