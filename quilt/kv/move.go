package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// leave lists what the transactions of an execution hold: by id, and then by
// namespace. Snapshots cannot be carried to another process: they are over.
func (s *service) leave(execution string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int64]map[string]broker.Kept{}
	for id, sp := range s.open {
		if id.Execution != execution || sp.snapshot != nil {
			continue
		}
		out[id.ID] = map[string]broker.Kept{}
		for ns, h := range sp.holds {
			out[id.ID][ns] = h.Keep()
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// enter goes on with what leave listed. A transaction of which something was lost
// is over: its commit claims its namespaces anew and checks what was read.
func (s *service) enter(ctx context.Context, c broker.Call, left json.RawMessage) error {
	var open map[int64]map[string]broker.Kept
	if err := json.Unmarshal(left, &open); err != nil {
		return fmt.Errorf("transactions of %s: %w", c.Execution, err)
	}
	var failed error
	for id, kept := range open {
		sp := &span{holds: map[string]broker.Hold{}}
		var err error
		for ns, k := range kept {
			hold, lost := c.Reuse(k)
			if lost != nil {
				err = lost
				continue
			}
			sp.holds[ns] = hold
		}
		if err == nil {
			err = s.keep(ctx, broker.Opened{Execution: c.Execution, ID: id}, sp)
		}
		if err != nil {
			sp.close()
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
