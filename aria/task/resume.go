package task

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// callerOver is the message of what was cancelled because its caller was.
const callerOver = "the run that called it is over"

// Resume takes up a run that was given up: one that ariad had to take up too
// often, or that ended because a part was away. Its last event becomes "stopped",
// and it goes on from its journal. Fault: Conflict for any other run.
func (t *Tasks) Resume(ctx context.Context, id ID) (Run, error) {
	r, err := t.Get(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if err := resumable(r); err != nil {
		return Run{}, err
	}
	ids, err := t.below(ctx, id)
	if err != nil {
		return Run{}, err
	}
	t.mu.Lock()
	closing := t.closing || t.draining
	t.mu.Unlock()
	if closing {
		return Run{}, stopping()
	}
	err = t.journal.wait(func(tx *sql.Tx) error {
		if err := reopen(tx, id); err != nil {
			return err
		}
		for _, child := range ids[1:] {
			var ended int64
			err := tx.QueryRow(`SELECT ended FROM runs WHERE id = ? AND state = 'cancelled' AND instr(error, ?)`, child, callerOver).Scan(&ended)
			if err == nil && ended >= r.Ended.Add(-time.Minute).UnixMilli() {
				err = reopen(tx, child)
			}
			if err != nil && err != sql.ErrNoRows {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Run{}, unwritable(err)
	}
	return t.takeUp(ctx, id, ids)
}

func resumable(r Run) error {
	switch {
	case !r.State.Ended():
		return fault.New(fault.Conflict, "run %s goes on by itself: it is %s", r.ID, r.State).WithHint("arc why %s says what it waits for", r.ID)
	case r.Parent != "":
		return fault.New(fault.Conflict, "run %s was called by %s", r.ID, r.Parent).WithHint("arc resume %s", r.Parent)
	case r.Error != nil && (r.Error.Code == fault.Interrupted || r.Error.Code == fault.Unavailable):
		return nil
	}
	return fault.New(fault.Conflict, "run %s is %s, and nothing stopped it from outside", r.ID, r.State).
		WithHint("arc replay %s --from N --live goes on behind one of its events, as a new run", r.ID)
}

// reopen makes an ended run one that goes on.
func reopen(tx *sql.Tx, id ID) error {
	for _, q := range []string{
		`UPDATE runs SET state = 'running', output = NULL, error = NULL, ended = 0 WHERE id = ?`,
		`UPDATE events SET kind = 'stopped' WHERE run = ? AND kind = 'ended'`,
		`DELETE FROM marks WHERE run = ? AND name = 'attempts'`,
	} {
		if _, err := tx.Exec(q, id); err != nil {
			return err
		}
	}
	return nil
}

// takeUp drives a run that was opened again; what it called lies dormant.
func (t *Tasks) takeUp(ctx context.Context, id ID, ids []ID) (Run, error) {
	all, err := t.open(ctx)
	if err != nil {
		return Run{}, err
	}
	mine := map[ID]bool{}
	for _, x := range ids {
		mine[x] = true
	}
	var root *live
	t.mu.Lock()
	for _, l := range all {
		switch {
		case l.run.ID == id:
			root = l
		case mine[l.run.ID] && t.live[l.run.ID] == nil:
			t.dormant[l.run.ID] = l
		}
	}
	t.mu.Unlock()
	if root == nil {
		return Run{}, fmt.Errorf("run %s was opened and is not open", id)
	}
	if err := t.revive(context.Background(), root); err != nil {
		return Run{}, err
	}
	return root.snapshot(), nil
}
