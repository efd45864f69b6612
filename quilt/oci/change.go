package oci

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// sweep removes what a `create` that was killed left of a name.
func (f *front) sweep(id string) error {
	if checkID(id) != nil {
		return nil
	}
	dir := filepath.Join(f.root, id)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return os.RemoveAll(dir)
}

func (f *front) pause(set *flag.FlagSet, args []string) (int, error) {
	return f.freezeOne(set, args, true)
}

func (f *front) resume(set *flag.FlagSet, args []string) (int, error) {
	return f.freezeOne(set, args, false)
}

func (f *front) freezeOne(set *flag.FlagSet, args []string, on bool) (int, error) {
	id, err := one(set, args)
	if err != nil {
		return 1, err
	}
	c, err := openContainer(f.root, id)
	if err != nil {
		return 1, err
	}
	defer c.release()
	switch s := c.status(); {
	case on && s != specs.StateRunning && s != specs.StateCreated:
		return 1, fault.New(fault.Conflict, "container not running or created: %s", s)
	case !on && s != statePaused:
		return 1, fault.New(fault.Conflict, "container not paused")
	}
	return 0, c.Groups.freeze(on)
}

// update changes limits; what is not named stays.
func (f *front) update(set *flag.FlagSet, args []string) (int, error) {
	var file string
	for _, n := range []string{"resources", "r"} {
		set.StringVar(&file, n, "", "`file` with linux.resources as JSON; - for standard input")
	}
	r := &specs.LinuxResources{Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, Pids: &specs.LinuxPids{}, BlockIO: &specs.LinuxBlockIO{}}
	limitFlags(set, r)
	id, err := one(set, args)
	if err != nil {
		return 1, err
	}
	if file != "" {
		r = &specs.LinuxResources{}
		if err := readResources(file, r); err != nil {
			return 1, err
		}
	}
	c, err := openContainer(f.root, id)
	if err != nil {
		return 1, err
	}
	defer c.release()
	if c.status() == specs.StateStopped {
		return 1, fault.New(fault.Conflict, "container not running")
	}
	list, err := limits(c.Groups.v2(), r)
	if err != nil {
		return 1, err
	}
	return 0, c.Groups.set(c.Groups.order(list))
}

func readResources(file string, r *specs.LinuxResources) error {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fault.Wrap(err, fault.NotFound, "the resources %s cannot be read", file)
		}
		defer f.Close()
		in = f
	}
	if err := json.NewDecoder(in).Decode(r); err != nil {
		return fault.Wrap(err, fault.Invalid, "the resources are not JSON as in config.json")
	}
	return nil
}

// limitFlags are those of update that have a place in linux.resources.
func limitFlags(set *flag.FlagSet, r *specs.LinuxResources) {
	signed := func(name, about string, to **int64, size bool) {
		set.Func(name, about, func(s string) error {
			v, err := parseAmount(s, size)
			*to = &v
			return err
		})
	}
	unsigned := func(name, about string, to **uint64) {
		set.Func(name, about, func(s string) error {
			v, err := strconv.ParseUint(s, 10, 64)
			*to = &v
			return err
		})
	}
	signed("memory", "`bytes` of memory", &r.Memory.Limit, true)
	signed("memory-reservation", "`bytes` of memory that are left when it runs short", &r.Memory.Reservation, true)
	signed("memory-swap", "`bytes` of memory and swap together; -1: no bound", &r.Memory.Swap, true)
	signed("pids-limit", "`number` of processes; -1: no bound", &r.Pids.Limit, false)
	signed("cpu-quota", "`microseconds` in a period", &r.CPU.Quota, false)
	signed("cpu-rt-runtime", "`microseconds` of real-time scheduling in a period", &r.CPU.RealtimeRuntime, false)
	signed("cpu-idle", "`1` for idle scheduling", &r.CPU.Idle, false)
	unsigned("cpu-period", "`microseconds`", &r.CPU.Period)
	unsigned("cpu-burst", "`microseconds`", &r.CPU.Burst)
	unsigned("cpu-share", "relative `weight`", &r.CPU.Shares)
	unsigned("cpu-shares", "relative `weight`", &r.CPU.Shares)
	unsigned("cpu-rt-period", "`microseconds`", &r.CPU.RealtimePeriod)
	set.StringVar(&r.CPU.Cpus, "cpuset-cpus", "", "`list` of processors")
	set.StringVar(&r.CPU.Mems, "cpuset-mems", "", "`list` of memory nodes")
	set.Func("blkio-weight", "relative `weight`, 10 to 1000", func(s string) error {
		v, err := strconv.ParseUint(s, 10, 16)
		w := uint16(v)
		r.BlockIO.Weight = &w
		return err
	})
}

// parseAmount reads a number, with a unit of 1024 if size is true.
func parseAmount(s string, size bool) (int64, error) {
	shift := 0
	if size {
		s = strings.TrimSuffix(strings.ToUpper(s), "B")
		if n := len(s) - 1; n > 0 {
			if i := strings.IndexByte("KMGT", s[n]); i >= 0 {
				s, shift = s[:n], 10*(i+1)
			}
		}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return v << shift, err
}

// event is one line of `events`.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

// events prints figures once or again and again, one line of JSON each.
func (f *front) events(set *flag.FlagSet, args []string) (int, error) {
	once := set.Bool("stats", false, "once, then end")
	every := set.Duration("interval", 5*time.Second, "time between two lines")
	id, err := one(set, args)
	if err != nil {
		return 1, err
	}
	if *every <= 0 {
		return 1, fault.New(fault.Invalid, "duration interval must be greater than 0")
	}
	out := json.NewEncoder(f.stdout)
	ooms, seen := uint64(0), false
	for next := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		c, err := peek(f.root, id)
		if fault.CodeOf(err) == fault.NotFound && seen {
			return 0, nil
		}
		if err != nil {
			return 1, err
		}
		seen = true
		if c.status() == specs.StateStopped {
			if *once {
				return 1, fault.New(fault.Conflict, "container with id %s is not running", id)
			}
			return 0, nil
		}
		if n := c.Groups.oomKills(); n > ooms {
			if ooms = n; !*once {
				if err := out.Encode(event{Type: "oom", ID: id}); err != nil {
					return 0, err
				}
			}
		}
		if time.Now().Before(next) {
			continue
		}
		if err := out.Encode(event{"stats", id, c.Groups.figures()}); err != nil || *once {
			return 0, err
		}
		next = time.Now().Add(*every)
	}
}
