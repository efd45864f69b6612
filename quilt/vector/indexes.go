package vector

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds of what is in memory.
const (
	maxMemory  = 96 << 20 // of all indexes
	maxPending = 20_000   // rows that an index has not taken up yet
	idleFor    = 5 * time.Minute
)

// indexes has the index of every store that was searched lately. Locks are taken
// in the order indexes, entry.news, entry.mu is taken with neither.
type indexes struct {
	db     *sql.DB
	folder string
	log    *slog.Logger

	mu   sync.Mutex
	open map[int64]*entry // by space
}

// entry is one index on its way or in use. News comes from the writer, which
// must not wait: it is put aside, and taken up by the next search.
type entry struct {
	ready chan struct{} // closed when idx or err is there
	idx   *index
	err   error

	mu     sync.RWMutex // of idx: searches share it
	closed bool

	newsMu sync.Mutex
	news   []news

	used   time.Time // guarded by indexes.mu
	memory int64
	forget *time.Timer
}

type news struct {
	row  row
	gone int64 // 0: row is new or changed
}

func newIndexes(db *sql.DB, folder string, log *slog.Logger) *indexes {
	return &indexes{db: db, folder: folder, log: log, open: map[int64]*entry{}}
}

// note tells the index of a space, if there is one, what was committed.
func (s *indexes) note(space int64, rows []row, gone []int64) {
	s.mu.Lock()
	e := s.open[space]
	s.mu.Unlock()
	if e == nil {
		return
	}
	e.newsMu.Lock()
	for _, r := range rows {
		e.news = append(e.news, news{row: r})
	}
	for _, id := range gone {
		e.news = append(e.news, news{gone: id})
	}
	late := len(e.news) > maxPending
	e.newsMu.Unlock()
	if late { // nobody searches it: it is made anew when somebody does
		s.drop(space, e)
	}
}

// search finds the k nearest rows for which c holds.
func (s *indexes) search(ctx context.Context, sh shape, q []float32, k int, c cond) ([]scored, error) {
	for range 3 {
		e, err := s.get(ctx, sh)
		if err != nil {
			return nil, err
		}
		found, ok, err := e.search(ctx, s.db, sh.space, q, k, c)
		if err != nil {
			s.drop(sh.space, e)
			return nil, err
		}
		if ok {
			return found, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "the index was dropped while it was made, again and again").WithHint("try again: memory is short")
}

// search: ok is false when the index was closed meanwhile.
func (e *entry) search(ctx context.Context, db *sql.DB, space int64, q []float32, k int, c cond) (found []scored, ok bool, err error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, false, nil
	}
	if err = e.takeUp(); err == nil {
		err = e.idx.columns(ctx, db, space, c)
	}
	e.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, false, nil
	}
	found, err = e.idx.near(q, k, e.idx.matching(c))
	return found, true, err
}

// takeUp brings the index up to what is committed.
func (e *entry) takeUp() error {
	e.newsMu.Lock()
	todo := e.news
	e.news = nil
	e.newsMu.Unlock()
	for _, n := range todo {
		if n.gone != 0 {
			e.idx.remove(n.gone)
			continue
		}
		if err := e.idx.put(n.row.id, toBytes(n.row.v)); err != nil {
			return err
		}
		for _, c := range e.idx.cols {
			c.set(e.idx.slots[n.row.id], n.row.meta)
		}
	}
	return nil
}

// get waits until the index is there.
func (s *indexes) get(ctx context.Context, sh shape) (*entry, error) {
	s.mu.Lock()
	e := s.open[sh.space]
	if e == nil {
		e = &entry{ready: make(chan struct{})}
		e.forget = time.AfterFunc(idleFor, func() { s.drop(sh.space, e) })
		s.open[sh.space] = e // from here on news is kept
		go s.load(sh, e)
	}
	e.used = time.Now()
	e.forget.Reset(idleFor)
	s.mu.Unlock()
	select {
	case <-e.ready:
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Cancelled, "the unit has ended")
	}
	return e, e.err
}

// drop forgets an index; searches under way end first.
func (s *indexes) drop(space int64, e *entry) {
	s.mu.Lock()
	if s.open[space] == e {
		delete(s.open, space)
	}
	e.forget.Stop()
	s.mu.Unlock()
	go func() {
		<-e.ready
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.idx != nil && !e.closed {
			e.idx.file.Close()
		}
		e.closed = true
	}()
}

func (s *indexes) load(sh shape, e *entry) {
	began := time.Now()
	e.idx, e.err = s.read(sh, e)
	close(e.ready)
	if e.err != nil {
		s.log.Warn("vector index", "space", sh.space, "err", e.err)
		s.drop(sh.space, e)
		return
	}
	s.log.Info("vector index made", "space", sh.space, "vectors", len(e.idx.slots), "took", time.Since(began))
	e.measure()
}

// read makes the index of what is committed.
func (s *indexes) read(sh shape, e *entry) (*index, error) {
	tx, err := s.db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var n int64
	if err := tx.QueryRow(`select count(*) from vec where space = ?`, sh.space).Scan(&n); err != nil {
		return nil, err
	}
	if err := s.room(e, n*sizeOfRow(sh.dims)); err != nil {
		return nil, err
	}
	x, err := newIndex(sh.dims, s.folder)
	if err != nil {
		return nil, fmt.Errorf("vector index: %w", err)
	}
	if err := x.fill(tx, sh.space, int(n)); err != nil {
		x.file.Close()
		return nil, err
	}
	return x, nil
}

// room makes some for an index of so many bytes: those not used for longest go.
func (s *indexes) room(e *entry, bytes int64) error {
	if bytes > maxMemory {
		return fault.New(fault.Exhausted, "the index of this store would take %d MiB of memory; all may take %d together", bytes>>20, maxMemory>>20).
			WithHint("split the documents over several stores")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.memory = bytes
	for {
		sum, oldest, space := int64(0), (*entry)(nil), int64(0)
		for id, o := range s.open {
			sum += o.memory
			if o != e && o.memory > 0 && (oldest == nil || o.used.Before(oldest.used)) {
				oldest, space = o, id
			}
		}
		if sum <= maxMemory || oldest == nil {
			return nil
		}
		delete(s.open, space)
		go s.drop(space, oldest)
	}
}

// fill reads all rows: first the numbers, of which it takes the mean, and then
// the codes.
func (x *index) fill(tx *sql.Tx, space int64, n int) error {
	rows, err := tx.Query(`select vec.id, vec_data.data from vec join vec_data using (id) where vec.space = ? order by vec.id`, space)
	if err != nil {
		return err
	}
	defer rows.Close()
	sums := make([]float64, x.dims)
	x.ids = make([]int64, 0, n)
	buf := make([]byte, 0, chunkSize)
	flush := func() error {
		_, err := x.file.Write(buf)
		buf = buf[:0]
		return err
	}
	for rows.Next() {
		var id int64
		var v sql.RawBytes
		if err := rows.Scan(&id, &v); err != nil {
			return err
		}
		if len(v) != 4*x.dims {
			return fmt.Errorf("vector %d has %d bytes, want %d", id, len(v), 4*x.dims)
		}
		if len(buf)+len(v) > cap(buf) {
			if err := flush(); err != nil {
				return fmt.Errorf("vector file: %w", err)
			}
		}
		buf = append(buf, v...)
		x.slots[id] = int32(len(x.ids))
		x.ids = append(x.ids, id)
		for i := range sums {
			sums[i] += float64(floatAt(v, i))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := flush(); err != nil {
		return fmt.Errorf("vector file: %w", err)
	}
	for i, s := range sums {
		x.mean[i] = float32(s / float64(max(1, len(x.ids))))
	}
	x.codes = make([]uint64, len(x.ids)*x.words)
	return x.each(0, len(x.ids), func(slot int32, v []byte) { encode(x.code(slot), fromBytes(v), x.mean) })
}

// columns makes those that c looks at and that are not there yet.
func (x *index) columns(ctx context.Context, db *sql.DB, space int64, c cond) error {
	var missing []*column
	c.fields(func(name string) {
		if x.cols[name] == nil {
			x.cols[name] = newColumn(name)
			missing = append(missing, x.cols[name])
		}
	})
	if len(missing) == 0 {
		return nil
	}
	err := x.readColumns(ctx, db, space, missing)
	if err != nil {
		for _, col := range missing {
			delete(x.cols, col.name)
		}
	}
	return err
}

func (x *index) readColumns(ctx context.Context, db *sql.DB, space int64, missing []*column) error {
	rows, err := db.QueryContext(ctx, `select id, meta from vec where space = ? order by id`, space)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var meta sql.RawBytes
		if err := rows.Scan(&id, &meta); err != nil {
			return err
		}
		slot, ok := x.slots[id]
		if !ok {
			continue // news: it comes with its metadata
		}
		for _, c := range missing {
			c.set(slot, meta)
		}
	}
	return rows.Err()
}
