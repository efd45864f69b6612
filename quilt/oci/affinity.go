package oci

import (
	"fmt"
	"math/big"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// startOn keeps this process to the processors on which a process that joins
// shall begin: what is cloned from any of its threads begins there.
func (f *front) startOn(a *specs.CPUAffinity) error {
	if a == nil || a.Initial == "" {
		return nil
	}
	set, err := cpuList(a.Initial)
	if err != nil {
		return err
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH {
			return fault.Wrap(err, fault.Invalid, "process.execCPUAffinity.initial cannot be set to %s", a.Initial)
		}
	}
	f.log.Debug(fmt.Sprintf("nsexec: affinity: %s", mask(set)))
	return nil
}

// mask writes a set as the number that runtimes log.
func mask(set *unix.CPUSet) string {
	n := new(big.Int)
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			n.SetBit(n, cpu, 1)
		}
	}
	return fmt.Sprintf("%#x", n)
}

// ownProcessors gives the calling thread, which becomes the process, the
// processors that it is to have: those of its group, not those of whoever called us.
func (c *child) ownProcessors() error {
	set, final := &unix.CPUSet{}, ""
	if a := c.Process; c.Exec && a.ExecCPUAffinity != nil && a.ExecCPUAffinity.Final != "" {
		final = a.ExecCPUAffinity.Final
		var err error
		if set, err = cpuList(final); err != nil {
			return err
		}
	} else {
		for cpu := range len(set) * 64 {
			set.Set(cpu) // the kernel takes those of the group
		}
	}
	err := unix.SchedSetaffinity(0, set)
	if err != nil && final != "" {
		return fault.Wrap(err, fault.Invalid, "process.execCPUAffinity.final cannot be set to %s", final)
	}
	if err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	return nil
}
