package tokenapi

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// hearing is one execution as far as it was heard of, over all its streams: when
// quiltd is replaced, the next stream goes on where the last one broke.
type hearing struct {
	emit    func(Event) error
	journal *Journal
	line    line
	seq     uint64 // of the last event
	result  []byte
	at      progress
	first   error // the break that another stream was tried after
	own     error // of emit
}

// hear listens to one stream until the execution has ended, or the stream has.
func (c *Client) hear(ctx context.Context, req Request, ask []*quiltv1.ExecuteRequest, h *hearing) (Ended, error) {
	// The call bears no deadline: gRPC would tell quiltd of it, and the stream
	// could be cut a moment before ctx here says why.
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.leave(ctx, call, req, cancel) })()
	h.at = max(h.at, sent)
	stream, err := c.quilt.Execute(call)
	if err != nil {
		return Ended{}, err
	}
	if err := h.line.open(stream, ask, h.journal != nil); err != nil && !errors.Is(err, io.EOF) { // EOF: Recv says why
		return Ended{}, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return Ended{}, err
		}
		h.at, h.seq, h.first = heard, m.Seq, nil
		if ok, err := h.line.take(h.journal, m); ok {
			if h.own = err; err != nil {
				return Ended{}, err
			}
			continue
		}
		switch e := m.Event.(type) {
		case *quiltv1.ExecuteResponse_Result:
			h.result = e.Result.Value
		case *quiltv1.ExecuteResponse_Ended:
			return ended(e.Ended, h.result), nil
		default:
			if ev, ok := event(m); ok {
				if h.own = h.emit(ev); h.own != nil {
					return Ended{}, h.own
				}
			}
		}
	}
}

// graceMost is the longest grace that a unit can have, and a moment more.
const graceMost = time.Minute + 5*time.Second

// leave ends an execution that nobody wants any more. Where its run is over for
// good, its unit is told and the stream listened to until it has ended; else, and
// where quiltd cannot be asked, the stream is broken off, which kills it.
func (c *Client) leave(ctx, call context.Context, req Request, cancel context.CancelFunc) {
	why, ok := fault.As(context.Cause(ctx))
	if !ok || why.Code != fault.Cancelled && why.Code != fault.Timeout {
		cancel()
		return
	}
	ask, done := context.WithTimeout(call, time.Second)
	defer done()
	r, err := c.quilt.Kill(ask, &quiltv1.KillRequest{Execution: req.Execution, Reason: why.Message, Gentle: true})
	if err != nil || !r.Found { // it may be on its way there
		cancel()
		return
	}
	late := time.AfterFunc(graceMost, cancel)
	context.AfterFunc(call, func() { late.Stop() })
}

// goOn is what to ask after a stream that broke with err; nil: it is over.
func (c *Client) goOn(ctx context.Context, req Request, h *hearing, err error, tries int) []*quiltv1.ExecuteRequest {
	if err == nil || h.own != nil || ctx.Err() != nil || tries > 20 {
		return nil
	}
	again, begun := moved(err)
	again = again || h.first == nil && h.at != heard && dialing(err) // it never left
	broke := status.Code(err) == codes.Unavailable || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case again && tries > 0: // its successor may not be there yet
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	case !again && broke && h.first == nil:
		h.first = err // it crashed, or was replaced and could not say so
	case !again:
		return nil
	}
	if c.ready(ctx) != nil {
		return nil
	}
	if again && !begun {
		return req.messages()
	}
	return []*quiltv1.ExecuteRequest{{Execution: req.Execution, Attach: true, After: h.seq}}
}

// lost is the fault for a hearing that is over.
func (h *hearing) lost(c *Client, ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case h.own != nil:
		return h.own
	case h.first != nil: // nobody knows of it any more
		err = h.first
	}
	return c.lost(ctx, err, h.at)
}

// moved reads what quiltd says of being replaced.
func moved(err error) (again, begun bool) {
	for _, d := range status.Convert(err).Details() {
		if w, ok := d.(*quiltv1.Error); ok {
			return w.Again, w.Begun
		}
	}
	return false, false
}
