package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

// process is one process for ever: pids are used again, start times are not.
type process struct {
	pid   int
	start string
}

// awaitContainers waits until the executions are under way and names them.
func awaitContainers(inst *system.Instance) ([]process, error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var now []process
		for _, pid := range inst.PIDs() {
			if system.CommandLine(pid) != "" && system.InContainer(pid) {
				now = append(now, process{pid, system.StartTime(pid)})
			}
		}
		if len(now) >= inFlight/2 {
			return now, nil
		}
	}
	return nil, fmt.Errorf("fewer than %d containers came up", inFlight/2)
}

func awaitGone(inst *system.Instance, pid int) error {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		gone := true
		for _, p := range inst.PIDs() {
			gone = gone && p != pid
		}
		if gone {
			return nil
		}
	}
	return fmt.Errorf("process %d survived SIGKILL", pid)
}

// leftBehind counts processes of the killed round and groups beyond the quiet
// number.
func leftBehind(containers []process, quiet int) (int, error) {
	n := 0
	for _, p := range containers {
		if system.StartTime(p.pid) == p.start && p.start != "" {
			fmt.Fprintf(os.Stderr, "left: process %d %s\n", p.pid, system.CommandLine(p.pid))
			n++
		}
	}
	groups, err := system.CountCgroups()
	if err != nil {
		return 0, err
	}
	return n + max(0, groups-quiet), nil
}
