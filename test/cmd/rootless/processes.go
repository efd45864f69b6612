package main

import (
	"os"
	"strconv"
	"syscall"

	"github.com/ariacomputecompany/firmware/test/system"
)

// processesOf are all processes of one user, dead ones left out.
func processesOf(u users) (out []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || system.CommandLine(pid) == "" {
			continue
		}
		if u.has(owner(pid)) {
			out = append(out, pid)
		}
	}
	return out
}

// owner is the real user of a process.
func owner(pid int) uint32 {
	var st syscall.Stat_t
	if syscall.Stat("/proc/"+strconv.Itoa(pid), &st) != nil {
		return 0
	}
	return st.Uid
}

// containersOf are those of them that run in containers.
func containersOf(u users) (out []int) {
	for _, pid := range processesOf(u) {
		if system.InContainer(pid) {
			out = append(out, pid)
		}
	}
	return out
}
