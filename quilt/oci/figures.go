package oci

import (
	"os"
	"strconv"
	"strings"
)

// figures are what the control groups have counted, under the names that
// readers of `events` know.
func (g groups) figures() map[string]any {
	cpu, memory, pids := map[string]any{}, map[string]any{}, map[string]any{}
	if g.v2() {
		usage := g.number("", "cpu.stat", "usage_usec") * 1000
		cpu["usage"] = map[string]any{"total": usage, "kernel": g.number("", "cpu.stat", "system_usec") * 1000, "user": g.number("", "cpu.stat", "user_usec") * 1000}
		memory["usage"] = g.pair("memory.current", "memory.max", "memory.peak", "memory.events")
		pids["current"], pids["limit"] = g.number("", "pids.current", ""), g.number("", "pids.max", "")
		return map[string]any{"cpu": cpu, "memory": memory, "pids": pids}
	}
	cpu["usage"] = map[string]any{"total": g.number("cpuacct", "cpuacct.usage", ""),
		"kernel": g.number("cpuacct", "cpuacct.usage_sys", ""), "user": g.number("cpuacct", "cpuacct.usage_user", "")}
	cpu["throttling"] = map[string]any{"periods": g.number("cpu", "cpu.stat", "nr_periods"),
		"throttledPeriods": g.number("cpu", "cpu.stat", "nr_throttled"), "throttledTime": g.number("cpu", "cpu.stat", "throttled_time")}
	memory["cache"] = g.number("memory", "memory.stat", "total_cache")
	memory["usage"] = g.pair("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt")
	memory["swap"] = g.pair("memory.memsw.usage_in_bytes", "memory.memsw.limit_in_bytes", "memory.memsw.max_usage_in_bytes", "memory.memsw.failcnt")
	memory["kernel"] = g.pair("memory.kmem.usage_in_bytes", "memory.kmem.limit_in_bytes", "memory.kmem.max_usage_in_bytes", "memory.kmem.failcnt")
	pids["current"], pids["limit"] = g.number("pids", "pids.current", ""), g.number("pids", "pids.max", "")
	return map[string]any{"cpu": cpu, "memory": memory, "pids": pids, "blkio": map[string]any{}, "hugetlb": map[string]any{}}
}

func (g groups) pair(usage, limit, most, failed string) map[string]any {
	fail := g.number("memory", failed, "")
	if g.v2() {
		fail = g.number("memory", failed, "max")
	}
	return map[string]any{"usage": g.number("memory", usage, ""), "limit": g.number("memory", limit, ""), "max": g.number("memory", most, ""), "failcnt": fail}
}

// number reads a figure; what is not there, or has no bound, is 0.
func (g groups) number(controller, file, key string) uint64 {
	path := g.at(controller, file)
	text := ""
	if key != "" {
		text = readKey(path, key)
	} else if b, err := os.ReadFile(path); err == nil {
		text = strings.TrimSpace(string(b))
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// oomKills is how many processes the kernel has killed for want of memory.
func (g groups) oomKills() uint64 {
	if g.v2() {
		return g.number("", "memory.events", "oom_kill")
	}
	return g.number("memory", "memory.oom_control", "oom_kill")
}
