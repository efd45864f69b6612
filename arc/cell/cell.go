// Package cell runs one JavaScript module of the author's in the pinned Bun,
// locked away, and gives back what it wrote to descriptor 3. It is for the one
// step of a build that has to run code: asking a schema library what its schema
// says.
//
// The process is born in user, mount, pid, network, ipc, host-name and cgroup
// namespaces of its own, with a root that is a small read-only memory file system
// with nothing in it but the module and the libraries Bun is linked with. It has
// no environment, no network device, no capability, cannot start a process and
// cannot gain a right; system calls that nobody needs to evaluate a module are
// refused. Its time, memory and output are bounded.
//
// Nothing is ever run with less. A machine that does not allow user namespaces
// gets an error, never a run without them.
package cell

import (
	"fmt"
	"time"
)

// Word is the only argument with which a program calls Enter before anything
// else: it is then the inside of a cell.
const Word = "__cell"

// Bounds of one run.
const (
	maxTime   = 15 * time.Second
	maxCPU    = 5 // seconds
	maxMemory = 1 << 30
	maxOut    = 8 << 20 // what is written to descriptor 3
	maxSaid   = 16 << 10
	rootSize  = "size=96m,mode=0755"
	tmpSize   = "size=4m,nr_inodes=64,mode=0700"
)

// Request is one module.
type Request struct {
	Bun    string // path of the runtime
	Module []byte // JavaScript without imports of files
}

// Failed is a module that ended badly. Said is the end of what it printed.
type Failed struct {
	Why  string // "ended with code 1", "took longer than 15s"
	Said string
}

func (f *Failed) Error() string { return "the module " + f.Why }

// Refused is a machine that does not let a cell be built.
type Refused struct {
	Why error
}

func (r *Refused) Error() string { return fmt.Sprintf("no sandbox: %v", r.Why) }
func (r *Refused) Unwrap() error { return r.Why }
