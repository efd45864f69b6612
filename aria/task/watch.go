package task

import "context"

const watchBatch = 256

// Watch hands over the run's events after a sequence number, in order, without
// loss or repeats, and returns nil after "ended". It ends early with the error
// of emit or of ctx. Leaving does not touch the run.
func (t *Tasks) Watch(ctx context.Context, id ID, after uint64, emit func([]Event) error) error {
	l := t.find(id)
	if l == nil {
		if _, err := t.stored(ctx, id); err != nil {
			return err
		}
		return t.replay(ctx, id, after, ^uint64(0), emit)
	}
	for {
		l.mu.Lock()
		changed, finished, tail := l.changed, l.finished, l.tail
		first := l.run.LastSeq + 1
		if len(tail) > 0 {
			first = tail[0].Seq
		}
		l.mu.Unlock()

		if after+1 < first {
			if err := t.replay(ctx, id, after, first, emit); err != nil {
				return err
			}
			after = first - 1
		}
		for len(tail) > 0 && tail[0].Seq <= after {
			tail = tail[1:]
		}
		if len(tail) > 0 {
			if err := emit(tail); err != nil {
				return err
			}
			after = tail[len(tail)-1].Seq
			if !finished {
				continue
			}
		}
		if finished {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// replay hands over what is on disk after a sequence number and before another.
func (t *Tasks) replay(ctx context.Context, id ID, after, before uint64, emit func([]Event) error) error {
	for after+1 < before {
		events, err := t.storedEvents(ctx, id, after, int(min(watchBatch, before-after-1)))
		if err != nil || len(events) == 0 {
			return err
		}
		if err := emit(events); err != nil {
			return err
		}
		after = events[len(events)-1].Seq
	}
	return nil
}
