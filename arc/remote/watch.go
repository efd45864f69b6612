package remote

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// ErrStop may be returned by a Watch callback to end the watch without error.
var ErrStop = errors.New("stop watching")

// patience is how long Watch tries to get back to a server it had been
// talking to, counted from the last thing it said.
const patience = 30 * time.Second

// ended is the kind of a run's last event.
const ended = "ended"

// Watch hands every event of a run after a sequence number to emit, in order,
// none twice, until the last one ("ended"). A connection that breaks, or a
// server that restarts, is taken up again where it broke off, for as long as
// patience lasts; so ask something short first where the server may be down.
// Leaving early, by the context or an error of emit, does not touch the run.
func (c *Client) Watch(ctx context.Context, run string, after uint64, emit func(Event) error) error {
	w := watcher{c: c, run: run, after: after, emit: emit, alive: time.Now()}
	pause := firstPause
	for {
		seen := w.after
		done, err := w.once(ctx)
		switch {
		case done && errors.Is(err, ErrStop):
			return nil
		case done:
			return err
		case ctx.Err() != nil || time.Since(w.alive) > patience:
			return c.toFault(ctx, err)
		}
		if w.after > seen {
			pause = firstPause
		}
		sleep(ctx, pause)
		pause = min(2*pause, time.Second)
	}
}

const firstPause = 50 * time.Millisecond

type watcher struct {
	c     *Client
	run   string
	after uint64
	emit  func(Event) error
	alive time.Time // when the server last said something
}

// once follows one connection. done: do not connect again, err is the result.
func (w *watcher) once(ctx context.Context) (done bool, err error) {
	stream, err := w.c.tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: w.run, After: w.after}))
	if err != nil {
		return isFinal(err), w.c.toFault(ctx, err)
	}
	defer stream.Close()
	for stream.Receive() {
		w.alive = time.Now()
		for _, e := range stream.Msg().GetEvents() {
			if e.GetSeq() <= w.after {
				continue
			}
			w.after = e.GetSeq()
			if err := w.emit(toEvent(e)); err != nil {
				return true, err
			}
			if e.GetKind() == ended {
				return true, nil
			}
		}
	}
	if err := stream.Err(); err != nil {
		return isFinal(err), w.c.toFault(ctx, err)
	}
	return false, fault.New(fault.Unavailable, "%s ended the stream of run %s early", w.c.server, w.run)
}

// isFinal tells a server's answer from a broken connection or a server that is
// just stopping.
func isFinal(err error) bool {
	if !connect.IsWireError(err) {
		return false
	}
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeCanceled:
		return false
	}
	return true
}
