package engine

import (
	"context"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// TokenEvent is one thing that happened to an execution's tokens.
type TokenEvent struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"` // queued, granted, refused, released, raised, revoke
	Execution string    `json:"execution"`
	Unit      string    `json:"unit"`
	Tenant    string    `json:"tenant,omitempty"`
	Tokens    []string  `json:"tokens"`
	HeldBy    []string  `json:"heldBy,omitempty"`
	Fence     uint64    `json:"fence,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// TokenNews is an event, or what there was when watching began too late for it.
type TokenNews struct {
	TokenEvent
	Snapshot bool
	Leases   []Lease
	Waits    []Wait
}

// journalSize is how many events are kept for watchers, two megabytes of them. One that
// is further behind begins again with what there is.
const journalSize = 8192

// journal is a ring of events. Whoever writes waits for nobody: a watcher reads
// at its own pace and is cut when the ring has gone past it.
type journal struct {
	audit *Audit
	mu    sync.Mutex
	ring  []TokenEvent
	last  uint64        // sequence number of the newest
	more  chan struct{} // closed at the next event
}

func newJournal(audit *Audit) *journal { return &journal{audit: audit, more: make(chan struct{})} }

// put numbers an event and keeps it.
func (j *journal) put(e TokenEvent) TokenEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq = j.last
	if len(j.ring) < journalSize {
		j.ring = append(j.ring, e)
	} else {
		j.ring[(j.last-1)%journalSize] = e
	}
	close(j.more)
	j.more = make(chan struct{})
	return e
}

// after lists at most 256 events after seq; lost says that some are gone. With
// none yet, more is closed when there are.
func (j *journal) after(seq uint64) (events []TokenEvent, lost bool, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq > j.last || j.last-seq > uint64(len(j.ring)) {
		return nil, true, nil
	}
	for n := seq + 1; n <= j.last && len(events) < 256; n++ {
		events = append(events, j.ring[(n-1)%journalSize])
	}
	return events, false, j.more
}

// Watch calls emit for every event after seq, in order, until ctx ends or emit
// fails; 0 is from now on. Where events after seq are gone, or are of an earlier
// start, a snapshot comes first. A watcher that is too slow is ended with
// Exhausted; it can begin again.
func (e *Engine) Watch(ctx context.Context, seq uint64, emit func(TokenNews) error) error {
	l := e.leases
	_, lost, _ := l.news.after(seq)
	if seq == 0 || lost {
		l.mu.Lock()
		news := TokenNews{Snapshot: true}
		news.Leases, news.Waits = l.view()
		news.Time = time.Now()
		l.news.mu.Lock()
		seq = l.news.last
		l.news.mu.Unlock()
		l.mu.Unlock()
		news.Seq = seq
		if err := emit(news); err != nil {
			return err
		}
	}
	for {
		events, lost, more := l.news.after(seq)
		if lost {
			return fault.New(fault.Exhausted, "this watcher is too slow: event %d is gone", seq+1).WithHint("watch again; a snapshot comes first")
		}
		for _, ev := range events {
			if err := emit(TokenNews{TokenEvent: ev}); err != nil {
				return err
			}
			seq = ev.Seq
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
