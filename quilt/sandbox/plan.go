package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Spec is what a caller may choose about a container. Zero limits mean the
// defaults below.
type Spec struct {
	ID          string   `json:"id"`             // 1 to 128 of [A-Za-z0-9._-]; names the container in errors and logs
	Argv        []string `json:"argv,omitempty"` // empty: the harness
	Env         []string `json:"env,omitempty"`  // added to the base environment; never secrets
	MemoryBytes int64    `json:"memoryBytes"`    // everything charged to it, /tmp included; no swap
	Pids        int64    `json:"pids"`           // processes and threads
	CPUMillis   int64    `json:"cpuMillis"`      // 1000 is one processor
	TmpBytes    int64    `json:"tmpBytes"`       // size of /tmp
	IOBytes     int64    `json:"ioBytes"`        // bytes a second from each disk, and as many to it
	IOOps       int64    `json:"ioOps"`          // requests a second, likewise
	// Net gives it the one way out that there is: TCP to the gate on its own
	// loopback, which the caller serves (gate.go).
	Net bool `json:"net,omitempty"`
	// NoJIT takes the right to make machine code at run time: Bun interprets, which
	// is several times slower, and memory that can be executed cannot be made.
	NoJIT bool `json:"noJIT,omitempty"`
}

// Defaults of a Spec, and the least that Bun starts with.
const (
	DefaultMemoryBytes = 256 << 20
	DefaultPids        = 64
	DefaultCPUMillis   = 1000
	DefaultTmpBytes    = 64 << 20
	DefaultIOBytes     = 256 << 20
	DefaultIOOps       = 8192

	minMemoryBytes = 32 << 20
	minPids        = 8
	minCPUMillis   = 10
	maxCPUMillis   = 1_000_000
	minTmpBytes    = 64 << 10
	minIOBytes     = 64 << 10
	minIOOps       = 10
	maxSpecBytes   = 64 << 10
)

const (
	containerUID = 1000  // user and group inside
	idRange      = 65536 // host ids a live container owns
	tmpInodes    = 4096
)

// Plan is a container as data: all that the launcher will do, fixed before
// anything is touched. It is printed, compared and tested without root.
type Plan struct {
	Spec         Spec     `json:"spec"`
	Image        string   `json:"image"` // digest of the read-only root
	Argv         []string `json:"argv"`
	Env          []string `json:"env"`
	Hostname     string   `json:"hostname"`
	Namespaces   []string `json:"namespaces"`
	Network      string   `json:"network"` // "none", or the gate's address on its own loopback
	UID          int      `json:"uid"`
	IDRange      int      `json:"idRange"` // ids that it has outside
	Mounts       []Mount  `json:"mounts"`
	Rlimits      []Rlimit `json:"rlimits"`
	Capabilities []string `json:"capabilities"` // always empty
	NoNewPrivs   bool     `json:"noNewPrivs"`
	Seccomp      string   `json:"seccomp"`  // name and digest of the filter
	Landlock     bool     `json:"landlock"` // second wall around the file tree
	Descriptors  []string `json:"descriptors"`
	Cgroup       Limits   `json:"cgroup"`
}

// Mount is one entry of the container's mount table.
type Mount struct {
	Type    string   `json:"type"`
	To      string   `json:"to"`
	Flags   []string `json:"flags"`
	Options string   `json:"options,omitempty"`
}

// Rlimit is a soft and hard limit of the same value, in the kernel's unit.
type Rlimit struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Limits are the cgroup's.
type Limits struct {
	MemoryBytes int64    `json:"memoryBytes"`
	SwapBytes   int64    `json:"swapBytes"`
	Pids        int64    `json:"pids"`
	CPUMillis   int64    `json:"cpuMillis"`
	Devices     []string `json:"devices"` // all that may be opened
	// Disks, "MAJOR:MINOR", on which IOBytes and IOOps hold; empty where the host
	// offers no such limit (cgroup v1, or v2 without the io controller).
	Disks   []string `json:"disks"`
	IOBytes int64    `json:"ioBytes"`
	IOOps   int64    `json:"ioOps"`
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// NewPlan computes the plan for s on a host that offers h. It is pure: the
// same arguments give the same plan. Errors are faults of code Invalid.
func NewPlan(s Spec, h Host) (Plan, error) {
	full, err := s.withDefaults()
	if err != nil {
		return Plan{}, err
	}
	argv := full.Argv
	if len(argv) == 0 {
		// --no-install: a missing package is an error at once, never a download.
		argv = []string{"/bin/bun", "--no-install", "/aria/harness.js"}
	}
	env, network, seccomp := baseEnv(), "none", filtersFor(h.Arch)[variant{full.Net, full.NoJIT}].name
	if full.Net {
		env, network = append(env, gateEnv()...), GateAddr
	}
	if full.NoJIT { // else Bun would end for want of memory that it can execute
		env = append(env, "BUN_JSC_useJIT=0")
	}
	return Plan{
		Spec:       full,
		Image:      h.ImageDigest,
		Argv:       argv,
		Env:        slices.Concat(env, full.Env),
		Hostname:   "aria",
		Namespaces: []string{"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"},
		Network:    network,
		UID:        containerUID,
		IDRange:    h.idRange(),
		Mounts: []Mount{
			{Type: "tmpfs", To: "/", Flags: []string{"ro", "nosuid", "nodev"}},
			{Type: "tmpfs", To: "/dev", Flags: []string{"ro", "nosuid", "noexec"}},
			{Type: "tmpfs", To: "/tmp", Flags: []string{"nosuid", "nodev", "noexec"},
				Options: fmt.Sprintf("size=%d,nr_inodes=%d,mode=1777", full.TmpBytes, tmpInodes)},
			{Type: "proc", To: "/proc", Flags: []string{"ro", "nosuid", "nodev", "noexec"}, Options: "hidepid=2,subset=pid"},
		},
		Rlimits:      rlimits(full, h),
		Capabilities: []string{},
		NoNewPrivs:   true,
		Seccomp:      seccomp,
		Landlock:     h.LandlockABI > 0,
		Descriptors:  []string{"null", "stdout", "stderr", "control"},
		Cgroup: Limits{MemoryBytes: full.MemoryBytes, Pids: full.Pids, CPUMillis: full.CPUMillis,
			Devices: slices.Clone(deviceRules), Disks: slices.Clone(h.Disks), IOBytes: full.IOBytes, IOOps: full.IOOps},
	}, nil
}

// Digest identifies the plan: sha256 of its JSON, in hex.
func (p Plan) Digest() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain strings and numbers always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// baseEnv holds nothing of the host. Bun's caches and reports are off because
// a single-use container has nobody to read them.
func baseEnv() []string {
	return []string{
		"PATH=/bin",
		"HOME=/tmp",
		"TMPDIR=/tmp",
		"LANG=C.UTF-8",
		"BUN_RUNTIME_TRANSPILER_CACHE_PATH=0",
		"BUN_ENABLE_CRASH_REPORTING=0",
		// A call in tail position keeps its frame, as in Node: stacks are whole. It
		// costs no start; a loop of nothing but such calls takes twice as long.
		"BUN_JSC_useTailCalls=0",
		"DO_NOT_TRACK=1",
	}
}

// rlimits leaves the address space alone: with a limit on it Bun's JIT turns
// itself off without a word and code runs eight times slower.
func rlimits(s Spec, h Host) []Rlimit {
	list := []Rlimit{
		{"NOFILE", 1024},
		{"CORE", 0},
		{"MSGQUEUE", 0},
		{"MEMLOCK", 64 << 10},
		{"STACK", 8 << 20},
		{"FSIZE", uint64(s.TmpBytes)},
	}
	if h.without(WithoutCgroups) {
		// The kernel counts them by user and user namespace. Memory has no such limit
		// (watch.go): with DATA, as with AS, Bun gives its JIT up.
		list = append(list, Rlimit{"NPROC", uint64(s.Pids)})
	}
	return list
}

func (s Spec) withDefaults() (Spec, error) {
	if !idForm.MatchString(s.ID) {
		return s, fault.New(fault.Invalid, "container id %.64q is not 1 to 128 of A-Z a-z 0-9 . _ -", s.ID).
			WithHint("use the execution's id")
	}
	bounds := []struct {
		name           string
		v              *int64
		def, min, most int64
		unit           string
	}{
		{"memory", &s.MemoryBytes, DefaultMemoryBytes, minMemoryBytes, 1 << 46, "bytes"},
		{"pids", &s.Pids, DefaultPids, minPids, 1 << 20, "processes"},
		{"cpu", &s.CPUMillis, DefaultCPUMillis, minCPUMillis, maxCPUMillis, "thousandths of a processor"},
		{"tmp", &s.TmpBytes, DefaultTmpBytes, minTmpBytes, 1 << 46, "bytes"},
		{"io", &s.IOBytes, DefaultIOBytes, minIOBytes, 1 << 46, "bytes a second"},
		{"io requests", &s.IOOps, DefaultIOOps, minIOOps, 1 << 30, "a second"},
	}
	for _, b := range bounds {
		if *b.v == 0 {
			*b.v = b.def
		}
		if *b.v < b.min || *b.v > b.most {
			return s, fault.New(fault.Invalid, "container %s: %s limit %d is outside %d to %d %s", s.ID, b.name, *b.v, b.min, b.most, b.unit).
				WithHint("change the unit's %s limit, or leave it out for the default of %d", b.name, b.def)
		}
	}
	return s, s.checkStrings()
}

func (s Spec) checkStrings() error {
	size := 0
	for _, a := range slices.Concat(s.Argv, s.Env) {
		size += len(a) + 1
		if strings.ContainsRune(a, 0) {
			return fault.New(fault.Invalid, "container %s: an argument or environment entry holds a NUL byte", s.ID).
				WithHint("pass binary values through the control socket")
		}
	}
	for _, e := range s.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fault.New(fault.Invalid, "container %s: environment entry %.64q is not NAME=value", s.ID, e).
				WithHint("write it as NAME=value")
		}
	}
	if size > maxSpecBytes {
		return fault.New(fault.Exhausted, "container %s: arguments and environment are %d bytes, more than %d", s.ID, size, maxSpecBytes).
			WithHint("send large values through the control socket")
	}
	return nil
}
