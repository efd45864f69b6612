package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Where there are no control groups, the memory of a container is bounded by
// looking: what all its processes have of their own, and what lies in its /tmp, is added up ten
// times a second, and forty times once it is half of the limit; who has more is killed. What comes and goes in between is not seen,
// and a burst may go beyond by what can be written in that time. So that the host
// suffers last, the kernel is told to end a container's processes first when memory
// is short.

const (
	calmWatch = 100 * time.Millisecond
	fastWatch = 25 * time.Millisecond
)

// memoryWatch is one container's.
type memoryWatch struct {
	stop chan struct{}
	most atomic.Int64 // bytes of its own, as seen
	over atomic.Bool  // it had more than its limit
	max  int64        // the limit
}

// watchOver begins to look after r.
func (l *launcher) watchOver(r *running) *memoryWatch {
	w := &memoryWatch{stop: make(chan struct{}), max: r.spec.MemoryBytes}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", r.pid), []byte("1000"), 0)
	go func() {
		for wait := calmWatch; ; {
			select {
			case <-w.stop:
				return
			case <-time.After(wait):
			}
			have := ownMemory(r.pid) + tmpUsed(r.pid)
			w.most.Store(max(w.most.Load(), have))
			if have > w.max {
				w.over.Store(true)
				l.kill(r)
			}
			if wait = calmWatch; have > w.max/2 {
				wait = fastWatch
			}
		}
	}()
	return w
}

func (w *memoryWatch) end() {
	if w != nil {
		close(w.stop)
	}
}

// usage is what the kernel says of the first process, and the watch of all.
func (w *memoryWatch) usage(s endStatus) Exit {
	return Exit{CPU: s.cpu, PeakMemory: w.most.Load(), OOM: w.over.Load()}
}

// tmpUsed is what lies in a container's /tmp, in bytes.
func tmpUsed(pid int) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(fmt.Sprintf("/proc/%d/root/tmp", pid), &st); err != nil {
		return 0
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

// memoryFiles is what a process holds in files that have no name, in bytes. What it
// has mapped of them counts once more: rather too much than too little.
func memoryFiles(dir string) (total int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		var st unix.Stat_t
		if to, err := os.Readlink(file); err == nil && strings.HasPrefix(to, "/memfd:") && unix.Stat(file, &st) == nil {
			total += st.Blocks * 512
		}
	}
	return total
}

// ownMemory adds up the private memory of a process and its children, in bytes.
func ownMemory(pid int) int64 {
	dir := fmt.Sprintf("/proc/%d", pid)
	text, err := os.ReadFile(dir + "/status")
	if err != nil {
		return 0
	}
	total := int64(0)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "RssAnon:" || f[0] == "RssShmem:") {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			total += kib << 10
		}
	}
	total += memoryFiles(dir + "/fd")
	lists, _ := filepath.Glob(dir + "/task/*/children")
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				total += ownMemory(n)
			}
		}
	}
	return total
}
