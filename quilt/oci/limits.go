package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// setting is one write into a control group.
type setting struct{ controller, file, value string }

// limits turns linux.resources, without its devices, into writes.
func limits(v2 bool, r *specs.LinuxResources) ([]setting, error) {
	if r == nil {
		return nil, nil
	}
	if !v2 {
		if len(r.Unified) > 0 {
			return nil, refuse("invalid configuration: linux.resources.unified is for control groups of version 2")
		}
		return limitsV1(r), nil
	}
	return limitsV2(r)
}

// set writes the settings. A period and what may be used in it, or the two limits
// of memory, bound each other, and which goes first depends on what holds: what the
// kernel did not take is written once more when the others are there.
func (g groups) set(list []setting) error {
	var again []setting
	for _, s := range list {
		err := g.setOne(s)
		if errors.Is(err, unix.EINVAL) {
			again = append(again, s)
		} else if err != nil {
			return err
		}
	}
	for _, s := range again {
		if err := g.setOne(s); err != nil {
			return err
		}
	}
	return nil
}

// setOne writes one. A file that is not there was asked for in vain.
func (g groups) setOne(s setting) error {
	file := g.at(s.controller, s.file)
	if file == "" {
		return fault.New(fault.Unavailable, "linux.resources: the controller %s is not mounted", s.controller)
	}
	err := write(file, s.value)
	if name, ok := strings.CutPrefix(s.file, "blkio.weight"); ok && errors.Is(err, fs.ErrNotExist) {
		err = write(g.at(s.controller, "blkio.bfq.weight"+name), s.value) // how kernels from 5.0 on call it
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unavailable, "linux.resources: this kernel has no %s", s.file)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "linux.resources: %s cannot be set to %q", s.file, s.value)
	}
	return nil
}

func limitsV1(r *specs.LinuxResources) (out []setting) {
	add := func(controller, file, value string) { out = append(out, setting{controller, file, value}) }
	if m := r.Memory; m != nil {
		out = append(out, memoryV1(m)...)
	}
	if c := r.CPU; c != nil {
		out = append(out, cpuV1(c)...)
	}
	if p := r.Pids; p != nil && p.Limit != nil {
		add("pids", "pids.max", pidsLimit(*p.Limit))
	}
	if io := r.BlockIO; io != nil {
		if io.Weight != nil && *io.Weight != 0 {
			add("blkio", "blkio.weight", decimal(*io.Weight))
		}
		if io.LeafWeight != nil && *io.LeafWeight != 0 {
			add("blkio", "blkio.leaf_weight", decimal(*io.LeafWeight))
		}
		for _, d := range io.WeightDevice {
			if d.Weight != nil {
				add("blkio", "blkio.weight_device", fmt.Sprintf("%d:%d %d", d.Major, d.Minor, *d.Weight))
			}
			if d.LeafWeight != nil {
				add("blkio", "blkio.leaf_weight_device", fmt.Sprintf("%d:%d %d", d.Major, d.Minor, *d.LeafWeight))
			}
		}
		for file, list := range throttles(io) {
			for _, d := range list {
				add("blkio", "blkio.throttle."+file, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, d.Rate))
			}
		}
	}
	for _, h := range r.HugepageLimits {
		add("hugetlb", "hugetlb."+h.Pagesize+".limit_in_bytes", decimal(h.Limit))
	}
	if n := r.Network; n != nil {
		if n.ClassID != nil {
			add("net_cls", "net_cls.classid", decimal(*n.ClassID))
		}
		for _, p := range n.Priorities {
			add("net_prio", "net_prio.ifpriomap", fmt.Sprintf("%s %d", p.Name, p.Priority))
		}
	}
	return append(out, rdma(r)...)
}

func throttles(io *specs.LinuxBlockIO) map[string][]specs.LinuxThrottleDevice {
	return map[string][]specs.LinuxThrottleDevice{"read_bps_device": io.ThrottleReadBpsDevice, "write_bps_device": io.ThrottleWriteBpsDevice,
		"read_iops_device": io.ThrottleReadIOPSDevice, "write_iops_device": io.ThrottleWriteIOPSDevice}
}

// memoryV1: the limit of memory and swap together may never be below that of
// memory, so which is written first depends on what holds; see order.
func memoryV1(m *specs.LinuxMemory) (out []setting) {
	add := func(file string, v *int64) {
		if v != nil && *v != 0 {
			out = append(out, setting{"memory", file, decimal(*v)})
		}
	}
	add("memory.limit_in_bytes", m.Limit)
	if m.Swap == nil && m.Limit != nil && *m.Limit == -1 {
		// Without a limit of memory there can be none of both.
		add("memory.memsw.limit_in_bytes", m.Limit)
	}
	add("memory.memsw.limit_in_bytes", m.Swap)
	add("memory.soft_limit_in_bytes", m.Reservation)
	add("memory.kmem.tcp.limit_in_bytes", m.KernelTCP)
	if m.Swappiness != nil {
		out = append(out, setting{"memory", "memory.swappiness", decimal(*m.Swappiness)})
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		out = append(out, setting{"memory", "memory.oom_control", "1"})
	}
	return out
}

func cpuV1(c *specs.LinuxCPU) (out []setting) {
	add := func(controller, file, value string) { out = append(out, setting{controller, file, value}) }
	if c.Shares != nil && *c.Shares != 0 {
		add("cpu", "cpu.shares", decimal(*c.Shares))
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 {
		add("cpu", "cpu.rt_period_us", decimal(*c.RealtimePeriod))
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		add("cpu", "cpu.rt_runtime_us", decimal(*c.RealtimeRuntime))
	}
	if c.Period != nil && *c.Period != 0 {
		add("cpu", "cpu.cfs_period_us", decimal(*c.Period))
	}
	if c.Quota != nil && *c.Quota != 0 {
		add("cpu", "cpu.cfs_quota_us", decimal(*c.Quota))
	}
	if c.Burst != nil {
		add("cpu", "cpu.cfs_burst_us", decimal(*c.Burst))
	}
	if c.Idle != nil {
		add("cpu", "cpu.idle", decimal(*c.Idle))
	}
	if c.Cpus != "" {
		add("cpuset", "cpuset.cpus", c.Cpus)
	}
	if c.Mems != "" {
		add("cpuset", "cpuset.mems", c.Mems)
	}
	return out
}

func limitsV2(r *specs.LinuxResources) ([]setting, error) {
	var out []setting
	add := func(file, value string) { out = append(out, setting{"", file, value}) }
	if m := r.Memory; m != nil {
		if m.KernelTCP != nil || m.DisableOOMKiller != nil && *m.DisableOOMKiller || m.Swappiness != nil && *m.Swappiness != 0 {
			return nil, refuse("linux.resources.memory: kernelTCP, swappiness and disableOOMKiller do not exist on control groups of version 2")
		}
		swap, err := swapV2(m)
		if err != nil {
			return nil, err
		}
		if swap != "" {
			add("memory.swap.max", swap)
		}
		if m.Limit != nil && *m.Limit != 0 {
			add("memory.max", orMax(*m.Limit))
		}
		if m.Reservation != nil && *m.Reservation != 0 {
			add("memory.low", orMax(*m.Reservation))
		}
	}
	if c := r.CPU; c != nil {
		if c.RealtimePeriod != nil || c.RealtimeRuntime != nil {
			return nil, refuse("linux.resources.cpu: realtime limits do not exist on control groups of version 2")
		}
		out = append(out, cpuV2(c)...)
	}
	if p := r.Pids; p != nil && p.Limit != nil {
		add("pids.max", pidsLimit(*p.Limit))
	}
	if io := r.BlockIO; io != nil {
		if io.LeafWeight != nil {
			return nil, refuse("linux.resources.blockIO.leafWeight does not exist on control groups of version 2")
		}
		if io.Weight != nil && *io.Weight != 0 {
			// 10 to 1000 onto 1 to 10000, as others do.
			add("io.weight", decimal(1+(uint64(*io.Weight)-10)*9999/990))
		}
		names := map[string]string{"read_bps_device": "rbps", "write_bps_device": "wbps", "read_iops_device": "riops", "write_iops_device": "wiops"}
		for file, list := range throttles(io) {
			for _, d := range list {
				add("io.max", fmt.Sprintf("%d:%d %s=%d", d.Major, d.Minor, names[file], d.Rate))
			}
		}
	}
	for _, h := range r.HugepageLimits {
		add("hugetlb."+h.Pagesize+".max", decimal(h.Limit))
	}
	if r.Network != nil && (r.Network.ClassID != nil || len(r.Network.Priorities) > 0) {
		return nil, refuse("linux.resources.network does not exist on control groups of version 2")
	}
	for file, value := range r.Unified {
		if strings.Contains(file, "/") || !strings.Contains(file, ".") {
			return nil, refuse("linux.resources.unified: %q is not the name of a file", file)
		}
		add(file, value)
	}
	return append(out, rdma(r)...), nil
}

// swapV2: version 2 counts swap alone, the specification memory and swap.
func swapV2(m *specs.LinuxMemory) (string, error) {
	if m.Swap == nil || *m.Swap == 0 {
		return "", nil
	}
	if *m.Swap == -1 {
		return "max", nil
	}
	if m.Limit == nil || *m.Limit <= 0 || *m.Swap < *m.Limit {
		return "", refuse("linux.resources.memory: swap %d needs a smaller limit of memory", *m.Swap)
	}
	return decimal(*m.Swap - *m.Limit), nil
}

func cpuV2(c *specs.LinuxCPU) (out []setting) {
	add := func(file, value string) { out = append(out, setting{"", file, value}) }
	if c.Idle != nil {
		add("cpu.idle", decimal(*c.Idle))
	}
	if c.Shares != nil && *c.Shares != 0 {
		add("cpu.weight", decimal(weight(*c.Shares)))
	}
	if c.Quota != nil || c.Period != nil {
		quota, period := "max", uint64(100000)
		if c.Quota != nil && *c.Quota > 0 {
			quota = decimal(*c.Quota)
		}
		if c.Period != nil && *c.Period != 0 {
			period = *c.Period
		}
		add("cpu.max", fmt.Sprintf("%s %d", quota, period))
	}
	if c.Burst != nil {
		add("cpu.max.burst", decimal(*c.Burst))
	}
	if c.Cpus != "" {
		add("cpuset.cpus", c.Cpus)
	}
	if c.Mems != "" {
		add("cpuset.mems", c.Mems)
	}
	return out
}

// weight turns shares of version 1 into a weight of version 2 so that 1024, the
// usual one, becomes 100, the usual one (the formula of crun and runc).
func weight(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

func rdma(r *specs.LinuxResources) (out []setting) {
	for name, l := range r.Rdma {
		value := name
		if l.HcaHandles != nil {
			value += " hca_handle=" + decimal(*l.HcaHandles)
		}
		if l.HcaObjects != nil {
			value += " hca_object=" + decimal(*l.HcaObjects)
		}
		out = append(out, setting{"rdma", "rdma.max", value})
	}
	return out
}

type number interface {
	~int64 | ~uint64 | ~uint32 | ~uint16
}

func decimal[T number](v T) string {
	if v < 0 {
		return "-1"
	}
	return strconv.FormatUint(uint64(v), 10)
}

// pidsLimit: no process at all is none but the first (runtime-spec 1.3).
func pidsLimit(v int64) string {
	if v == 0 {
		return "1"
	}
	return orMax(v)
}

func orMax(v int64) string {
	if v < 0 {
		return "max"
	}
	return decimal(v)
}

// order puts the writes of the two memory limits so that neither is below the
// other in between: raising begins with both together.
func (g groups) order(list []setting) []setting {
	text, err := os.ReadFile(g.at("memory", "memory.limit_in_bytes"))
	if g.v2() || err != nil {
		return list
	}
	now, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	var limit, both = -1, -1
	for i, s := range list {
		switch s.file {
		case "memory.limit_in_bytes":
			limit = i
		case "memory.memsw.limit_in_bytes":
			both = i
		}
	}
	if limit < 0 || both < 0 {
		return list
	}
	want, err := strconv.ParseUint(list[limit].value, 10, 64)
	if err != nil || want > now {
		list[limit], list[both] = list[both], list[limit]
	}
	return list
}
