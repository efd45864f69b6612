package api

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// maxAcquires bounds what one session has under way or holds.
const maxAcquires = 1024

type sessionStream = grpc.BidiStreamingServer[quiltv1.SessionRequest, quiltv1.SessionResponse]

// sessionCall is one Session stream. mu guards the two maps; sending is by
// itself, for gRPC takes one message at a time.
type sessionCall struct {
	stream  sessionStream
	session *engine.Session
	ctx     context.Context
	asks    sync.WaitGroup

	sendMu sync.Mutex

	mu    sync.Mutex
	waits map[uint64]context.CancelFunc
	holds map[uint64]*engine.Held
}

// Session serves one caller's own session until its stream ends.
func (s *service) Session(stream sessionStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	open := first.GetOpen()
	if open == nil {
		return reply(fault.New(fault.Invalid, "the first message of a session opens it"))
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	c := &sessionCall{stream: stream, ctx: ctx, waits: map[uint64]context.CancelFunc{}, holds: map[uint64]*engine.Held{}}
	c.session, err = s.cfg.Engine.Open(ctx, engine.SessionRequest{
		ID: open.Session, Tenant: open.Tenant, Unit: open.Unit, Tokens: open.Tokens, Standing: standing(open.Standing),
		Revoked: func(by string) { c.revoked(by, cancel) },
	})
	if err != nil {
		return reply(err)
	}
	defer func() {
		cancel(nil)
		c.asks.Wait()
		for _, held := range c.holds {
			held.Keep()
		}
		c.session.Close()
	}()
	if err := c.send(&quiltv1.SessionResponse{Answer: &quiltv1.SessionResponse_Opened{Opened: &quiltv1.SessionOpened{}}}); err != nil {
		return err
	}
	return reply(c.serve())
}

func (c *sessionCall) serve() error {
	ended := make(chan error, 1)
	go func() { ended <- c.listen() }()
	select {
	case err := <-ended:
		return err
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

func (c *sessionCall) listen() error {
	for {
		m, err := c.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch ask := m.Ask.(type) {
		case *quiltv1.SessionRequest_Acquire:
			err = c.acquire(ask.Acquire)
		case *quiltv1.SessionRequest_Release:
			c.release(ask.Release)
		case *quiltv1.SessionRequest_Cancel:
			c.mu.Lock()
			if stop := c.waits[ask.Cancel]; stop != nil {
				stop()
			}
			c.mu.Unlock()
		default:
			err = fault.New(fault.Invalid, "a session is opened once")
		}
		if err != nil {
			return err
		}
	}
}

// acquire asks beside what waits already.
func (c *sessionCall) acquire(a *quiltv1.SessionAcquire) error {
	ctx, stop := context.WithCancelCause(c.ctx)
	cancel := func() { stop(fault.New(fault.Cancelled, "the caller cancelled it")) }
	if a.WaitMs > 0 {
		timer := time.AfterFunc(millis(a.WaitMs), func() {
			stop(fault.New(fault.Timeout, "the tokens were not free within %d ms", a.WaitMs).WithHint("arc tokens shows who holds them"))
		})
		cancelOnly := stop
		stop = func(err error) { timer.Stop(); cancelOnly(err) }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waits)+len(c.holds) >= maxAcquires {
		return fault.New(fault.Exhausted, "a session may have %d acquires at once", maxAcquires)
	}
	if c.waits[a.Id] != nil || c.holds[a.Id] != nil {
		return fault.New(fault.Invalid, "acquire %d is there already", a.Id)
	}
	c.waits[a.Id] = cancel
	c.asks.Go(func() {
		defer stop(nil)
		c.ask(ctx, a)
	})
	return nil
}

func (c *sessionCall) ask(ctx context.Context, a *quiltv1.SessionAcquire) {
	held, err := c.session.Acquire(ctx, a.Tokens, spend(a.Estimate), func(q engine.Queued) {
		c.send(&quiltv1.SessionResponse{Answer: &quiltv1.SessionResponse_Waits{Waits: &quiltv1.SessionWaits{Id: a.Id,
			Queued: &quiltv1.Queued{WaitsFor: q.WaitsFor, HeldBy: q.HeldBy, Position: int64(q.Position)}}}})
	})
	c.mu.Lock()
	delete(c.waits, a.Id)
	if err == nil {
		c.holds[a.Id] = held
	}
	c.mu.Unlock()
	out := &quiltv1.SessionResponse{}
	if err != nil {
		out.Answer = &quiltv1.SessionResponse_Refused{Refused: &quiltv1.SessionRefused{Id: a.Id, Error: refused(err)}}
	} else {
		out.Answer = &quiltv1.SessionResponse_Granted{Granted: &quiltv1.SessionGranted{Id: a.Id, Fence: held.Fence}}
	}
	c.send(out) // a stream that is gone ends the session, and with it what it got
}

func (c *sessionCall) release(r *quiltv1.SessionRelease) {
	c.mu.Lock()
	held := c.holds[r.Id]
	delete(c.holds, r.Id)
	c.mu.Unlock()
	if held == nil {
		return
	}
	if r.Used == nil {
		held.Keep()
		return
	}
	held.Release(spend(r.Used))
}

func (c *sessionCall) send(m *quiltv1.SessionResponse) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return c.stream.Send(m)
}

// revoked tells the caller, and ends the stream if it does not end by itself.
func (c *sessionCall) revoked(by string, cancel context.CancelCauseFunc) {
	c.send(&quiltv1.SessionResponse{Answer: &quiltv1.SessionResponse_Revoked{Revoked: &quiltv1.SessionRevoked{Reason: by}}})
	select {
	case <-c.ctx.Done():
	case <-time.After(engine.RevokeGrace):
		cancel(fault.New(fault.Interrupted, "the session was ended for %s", by).WithHint("open it again"))
	}
}

func refused(err error) *quiltv1.Error {
	f, ok := fault.As(err)
	if !ok {
		f = fault.New(fault.Cancelled, "the session has ended")
	}
	return face(f)
}

func spend(s *quiltv1.Spend) broker.Spend {
	return broker.Spend{Tokens: s.GetTokens(), MicroUSD: s.GetMicroUsd()}
}

func standing(s *quiltv1.Standing) engine.Standing {
	return engine.Standing{Parent: s.GetParent(), Class: s.GetClass(), Preemptible: s.GetPreemptible(), Bundle: s.GetBundle(), Package: s.GetPackage()}
}

// Policy says which policy holds.
func (s *service) Policy(context.Context, *quiltv1.PolicyRequest) (*quiltv1.PolicyResponse, error) {
	p := s.cfg.Engine.Policy()
	out := &quiltv1.PolicyResponse{File: p.File, Text: string(p.Text), Problem: p.Problem}
	if !p.Since.IsZero() {
		out.SinceUnixMs = p.Since.UnixMilli()
	}
	return out, nil
}

// counts are the token counters of Status.
func counts(c engine.Counts) *quiltv1.TokenCounts {
	out := &quiltv1.TokenCounts{
		Sessions: int64(c.Sessions), Waiting: int64(c.Waiting), Granted: c.Granted, Queued: c.Queued, Released: c.Released,
		Refused: c.Refused, Revoked: c.Revoked, WaitUs: uint64(c.Waited.Microseconds()), LastSeq: c.LastSeq,
	}
	for _, p := range c.Pools {
		out.Pools = append(out.Pools, &quiltv1.PoolCount{Name: p.Path, Tenant: p.Tenant, Capacity: p.Capacity, Used: p.Used, Waiting: int64(p.Waiting)})
	}
	return out
}
