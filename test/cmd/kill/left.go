package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
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

// leftProcesses counts those of the killed round that are still there. Parked
// containers, which may be of before, are no leftovers.
func leftProcesses(inst *system.Instance, containers []process) (int, error) {
	parked, err := parkedNow(inst)
	if err != nil {
		return 0, err
	}
	n := -parked
	for _, p := range containers {
		if system.StartTime(p.pid) == p.start && p.start != "" {
			if n++; n > 0 {
				fmt.Fprintf(os.Stderr, "left: process %d %s\n", p.pid, system.CommandLine(p.pid))
			}
		}
	}
	return max(0, n), nil
}

// leftGroups counts the groups beyond the quiet number when no run is open: a
// parked container has per of them. An ended one's go a moment after it.
func leftGroups(inst *system.Instance, quiet, per int) (left int, err error) {
	for range 10 {
		time.Sleep(100 * time.Millisecond)
		parked, err := parkedNow(inst)
		if err != nil {
			return 0, err
		}
		groups, err := system.CountCgroups(launchers(inst)...)
		if err != nil {
			return 0, err
		}
		if left = max(0, groups-quiet-parked*per); left == 0 {
			break
		}
	}
	return left, nil
}

// parkedNow asks quiltd.
func parkedNow(inst *system.Instance) (int, error) {
	conn, err := grpc.NewClient("unix:"+filepath.Join(inst.Dir, "run", "quilt.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := quiltv1.NewQuiltServiceClient(conn).Status(ctx, &quiltv1.StatusRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return 0, err
	}
	return int(s.Parked), nil
}

// quietGroups waits until nothing is parked and counts the groups.
func quietGroups(inst *system.Instance) (int, error) {
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		parked, err := parkedNow(inst)
		if err != nil {
			return 0, err
		}
		if parked == 0 {
			time.Sleep(500 * time.Millisecond)
			return system.CountCgroups(launchers(inst)...)
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("%d containers stay parked", parked)
		}
	}
}

// owners are the launchers of this run, dead ones too.
var owners []int

func launchers(inst *system.Instance) []int {
	if pid := inst.Find("quiltd"); pid != 0 && !slices.Contains(owners, pid) {
		owners = append(owners, pid)
	}
	return owners
}

// perContainer is how many groups one container has.
func perContainer(inst *system.Instance, quiet, containers int) (int, error) {
	groups, err := system.CountCgroups(launchers(inst)...)
	if err != nil {
		return 0, err
	}
	return (groups - quiet + containers/2) / containers, nil
}
