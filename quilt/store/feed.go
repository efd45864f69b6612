package store

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Changed says that a key of kv was written or removed.
type Changed struct {
	Space Space
	Key   string
}

// Bounds of what is remembered of changes, for each tenant that watches.
const (
	feedEvents = 4096
	feedIdle   = 10 * time.Minute // without a watcher
)

// feed remembers the last changes of the tenants that watch, so that a watcher
// that comes back finds what it missed or learns that it missed something.
// Numbers rise across restarts, as fences do.
type feed struct {
	mu    sync.Mutex
	seq   uint64
	rings map[string]*ring // by tenant
}

type ring struct {
	base   uint64 // every change after it is in events
	events []event
	used   time.Time
	more   chan struct{} // closed at the next change
}

type event struct {
	seq uint64
	Changed
}

func newFeed(epoch uint64) *feed { return &feed{seq: epoch << 40, rings: map[string]*ring{}} }

func (f *feed) publish(changes []Changed) {
	if len(changes) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, c := range changes {
		f.seq++
		r := f.rings[c.Space.Tenant]
		if r == nil {
			continue
		}
		if now.Sub(r.used) > feedIdle {
			delete(f.rings, c.Space.Tenant)
			continue
		}
		if len(r.events) >= feedEvents {
			half := len(r.events) / 2
			r.base = r.events[half-1].seq
			r.events = append(r.events[:0:0], r.events[half:]...)
		}
		r.events = append(r.events, event{f.seq, c})
		close(r.more)
		r.more = make(chan struct{})
	}
}

// News is what changed after a place. Gap: changes may have been missed, and
// what is there has to be read anew; there are no keys then.
type News struct {
	Keys []string // each once, in the order of its last change
	Next uint64   // where to go on
	Gap  bool
}

// Watch returns the keys with a prefix that changed after since, at most max of
// them, or waits until there are some, wait is over, or ctx ends. A since of 0
// is now.
func (s *Store) Watch(ctx context.Context, sp Space, prefix string, since uint64, max int, wait time.Duration) News {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		n, more := s.writer.feed.after(sp, prefix, since, max)
		if len(n.Keys) > 0 || n.Gap || wait <= 0 {
			return n
		}
		since = n.Next
		select {
		case <-more:
		case <-timeout.C:
			return n
		case <-ctx.Done():
			return n
		}
	}
}

func (f *feed) after(sp Space, prefix string, since uint64, max int) (News, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rings[sp.Tenant]
	if r == nil {
		r = &ring{base: f.seq, more: make(chan struct{})}
		f.rings[sp.Tenant] = r
	}
	r.used = time.Now()
	if since == 0 {
		since = f.seq
	}
	if since < r.base || since > f.seq {
		return News{Next: f.seq, Gap: true}, r.more
	}
	n := News{Next: f.seq}
	seen := map[string]int{}
	for _, e := range r.events {
		if e.seq <= since || e.Space != sp || !strings.HasPrefix(e.Key, prefix) {
			continue
		}
		if at, ok := seen[e.Key]; ok {
			n.Keys[at] = ""
		} else if len(seen) == max {
			n.Next = e.seq - 1
			break
		}
		seen[e.Key] = len(n.Keys)
		n.Keys = append(n.Keys, e.Key)
	}
	return n.compact(), r.more
}

// compact drops the places of keys that changed again later.
func (n News) compact() News {
	keys := n.Keys[:0]
	for _, k := range n.Keys {
		if k != "" {
			keys = append(keys, k)
		}
	}
	n.Keys = keys
	return n
}
