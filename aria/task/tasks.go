package task

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Config bounds what goes on at once.
type Config struct {
	Tools     int // tool executions at once
	Agents    int // agent runs at once, and as many of teams, not counting what others call
	Pipelines int // pipeline runs at once, not counting those that wait or that others call
}

// maxDepth bounds runs that call runs that call runs.
const maxDepth = 16

// Tasks is every run of this instance. It is safe for use by many goroutines.
type Tasks struct {
	db      *sql.DB
	reg     *registry.Registry
	runners map[bundle.Kind]Runner
	queues  map[bundle.Kind]*queue
	journal *journal
	log     *slog.Logger
	running sync.WaitGroup
	count   atomic.Uint64 // runs accepted by this process

	secret []byte
	lanes  *lanes

	mu      sync.Mutex
	live    map[ID]*live
	dormant map[ID]*live // of another process, until their parents call them again
	closing bool
	// draining: new runs are refused, and what goes on goes on.
	draining bool

	told observers
}

// New opens the runs in db. Nothing runs before Recover.
func New(db *sql.DB, reg *registry.Registry, runners map[bundle.Kind]Runner, cfg Config, log *slog.Logger) (*Tasks, error) {
	if _, err := db.Exec(schema + effectSchema + waitSchema); err != nil {
		return nil, fmt.Errorf("run store: %w", err)
	}
	if err := grow(db); err != nil {
		return nil, err
	}
	key, err := secret(db)
	if err != nil {
		return nil, err
	}
	return &Tasks{
		db: db, reg: reg, runners: runners, log: log, journal: newJournal(db), secret: key, lanes: newLanes(), live: map[ID]*live{}, dormant: map[ID]*live{},
		queues: map[bundle.Kind]*queue{bundle.Tool: newQueue(cfg.Tools), bundle.Agent: newQueue(cfg.Agents),
			bundle.Pipeline: newQueue(cfg.Pipelines), bundle.Team: newQueue(cfg.Agents)},
	}, nil
}

// runner is the one for a kind, or the honest answer that there is none.
func (t *Tasks) runner(u registry.Unit) (Runner, error) {
	if r, ok := t.runners[u.Kind]; ok {
		return r, nil
	}
	return nil, fault.New(fault.Unimplemented, "%s is a %s, and this build does not run those yet", u.Name, u.Kind).
		WithHint("run its tools and agents directly")
}

// Get answers with one run.
func (t *Tasks) Get(ctx context.Context, id ID) (Run, error) {
	if l := t.find(id); l != nil {
		return l.snapshot(), nil
	}
	return t.stored(ctx, id)
}

// List answers with up to limit runs, newest first, older than before if that
// is set, in one state if that is set. Inputs and outputs are left out: Get has
// them.
func (t *Tasks) List(ctx context.Context, limit int, before ID, state State) ([]Run, error) {
	switch state {
	case "", Pending, Running, Waiting, Done, Failed, Cancelled:
	default:
		return nil, fault.New(fault.Invalid, "unknown state %q", state).
			WithHint("states are pending, running, waiting, done, failed and cancelled")
	}
	if limit < 0 {
		return nil, fault.New(fault.Invalid, "a list of %d runs cannot be", limit).WithHint("0 lists the newest 50")
	}
	if before != "" && !before.valid() {
		return nil, noID(before)
	}
	if limit == 0 {
		limit = 50
	}
	rows, err := t.db.QueryContext(ctx, `SELECT `+runColumns+startColumn+` FROM runs
		WHERE (?1 = '' OR id < ?1) AND (?2 = '' OR state = ?2) ORDER BY id DESC LIMIT ?3`, before, state, min(limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		var r Run
		var start []byte
		if err := scanRun(rows.Scan, &r, &start); err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		r.started(start)
		out = append(out, r)
	}
	return out, rows.Err()
}

// Accepted is the number of runs that this process has accepted.
func (t *Tasks) Accepted() uint64 { return t.count.Load() }

// Open is the number of runs that have not ended.
func (t *Tasks) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, l := range t.live {
		if !l.over() {
			n++
		}
	}
	return n
}

func (t *Tasks) find(id ID) *live {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live[id]
}

// Cancel asks a run and everything it called to stop, and waits a moment for
// it. A run that has ended stays as it is.
func (t *Tasks) Cancel(ctx context.Context, id ID, reason string) (Run, error) {
	l := t.find(id)
	if l == nil {
		return t.stored(ctx, id)
	}
	msg := "the run was cancelled"
	if reason != "" {
		msg += ": " + reason
	}
	l.cancel(fault.New(fault.Cancelled, "%s", msg))
	select {
	case <-l.done:
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
	}
	return l.snapshot(), nil
}

// Close stops intake, lets what runs go on until ctx ends, and then stops the
// rest where it is: the next Recover takes it up.
func (t *Tasks) Close(ctx context.Context) {
	t.mu.Lock()
	t.closing = true
	for _, l := range t.live {
		if s := l.snapshot().State; s == Pending || s == Waiting {
			l.cancel(errStopping)
		}
	}
	t.mu.Unlock()

	all := make(chan struct{})
	go func() { t.running.Wait(); close(all) }()
	select {
	case <-all:
	case <-ctx.Done():
		t.mu.Lock()
		for _, l := range t.live {
			l.cancel(errStopping)
		}
		t.mu.Unlock()
		select {
		case <-all:
		case <-time.After(5 * time.Second):
			t.log.Warn("runs did not stop in time", "runs", t.Open())
		}
	}
	t.journal.close()
}
