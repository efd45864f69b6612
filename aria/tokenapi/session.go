package tokenapi

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// SessionRequest opens a session: a lease of ariad's own, for work that it does
// itself, such as the steps of an agent. Tokens are what the session may ever
// use; it holds none of them yet.
type SessionRequest struct {
	ID, Tenant, Unit string
	Tokens           []string
	Standing         Standing
}

// Spend is what a call of a model uses up.
type Spend struct{ Tokens, MicroUSD int64 }

// Session is open until Close, or until quiltd ends it (Done). Its methods may be
// called concurrently. Whatever it holds is free when it ends.
type Session struct {
	client *Client
	stream quiltv1.QuiltService_SessionClient
	leave  context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed

	sendMu sync.Mutex

	mu    sync.Mutex
	last  uint64
	waits map[uint64]*waiting
}

type waiting struct {
	waits  func(Queued)
	answer chan *quiltv1.SessionResponse // one element
}

// Grant is what one Acquire got.
type Grant struct {
	Fence   uint64
	session *Session
	id      uint64
	once    sync.Once
}

// OpenSession opens a session. Faults as quiltd gives them, or Unavailable.
func (c *Client) OpenSession(ctx context.Context, r SessionRequest) (*Session, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	// The session outlives the opening; leave ends it.
	call, leave := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, leave)
	defer stop()
	stream, err := c.quilt.Session(call)
	if err == nil {
		err = stream.Send(&quiltv1.SessionRequest{Ask: &quiltv1.SessionRequest_Open{Open: &quiltv1.SessionOpen{
			Session: r.ID, Tenant: r.Tenant, Unit: r.Unit, Tokens: r.Tokens, Standing: r.Standing.wire()}}})
	}
	if err != nil {
		leave()
		return nil, c.lost(ctx, err, asked)
	}
	if _, err = stream.Recv(); err != nil {
		leave()
		return nil, c.lost(ctx, err, asked)
	}
	s := &Session{client: c, stream: stream, leave: leave, done: make(chan struct{}), waits: map[uint64]*waiting{}}
	go s.listen()
	return s, nil
}

// Done is closed when the session has ended; everything it held is gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why it ended; nil before, and after Close.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the session and returns when quiltd knows.
func (s *Session) Close() {
	s.sendMu.Lock()
	_ = s.stream.CloseSend() // a stream that broke has ended already
	s.sendMu.Unlock()
	select {
	case <-s.done:
	case <-time.After(patience):
	}
	s.leave()
	<-s.done
}

func (s *Session) listen() {
	defer close(s.done)
	for {
		m, err := s.stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = s.client.lost(context.Background(), err, asked)
			}
			s.leave()
			return
		}
		switch a := m.Answer.(type) {
		case *quiltv1.SessionResponse_Waits:
			if w := s.find(a.Waits.Id, false); w != nil && w.waits != nil {
				q := a.Waits.Queued
				w.waits(Queued{q.WaitsFor, q.HeldBy, q.Position})
			}
		case *quiltv1.SessionResponse_Granted:
			if w := s.find(a.Granted.Id, true); w != nil {
				w.answer <- m
			}
		case *quiltv1.SessionResponse_Refused:
			if w := s.find(a.Refused.Id, true); w != nil {
				w.answer <- m
			}
		}
	}
}

func (s *Session) find(id uint64, last bool) *waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waits[id]
	if last {
		delete(s.waits, id)
	}
	return w
}

func (s *Session) send(m *quiltv1.SessionRequest) error {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	return s.stream.Send(m)
}

// Acquire takes all of the tokens or none, waiting for them, and sets the
// estimate aside in their rates and budgets. waits, which may be nil, is called
// at most once, if they cannot be had at once; it must not block. Faults: Denied,
// Deadlock with the cycle, Exhausted (a budget), Timeout, Unavailable when the
// session has ended; else the cause of ctx.
func (s *Session) Acquire(ctx context.Context, tokens []string, estimate Spend, waits func(Queued)) (*Grant, error) {
	w := &waiting{waits: waits, answer: make(chan *quiltv1.SessionResponse, 1)}
	s.mu.Lock()
	s.last++
	id := s.last
	s.waits[id] = w
	s.mu.Unlock()
	ask := &quiltv1.SessionAcquire{Id: id, Tokens: tokens}
	if estimate != (Spend{}) {
		ask.Estimate = estimate.wire()
	}
	if err := s.send(&quiltv1.SessionRequest{Ask: &quiltv1.SessionRequest_Acquire{Acquire: ask}}); err != nil {
		return nil, s.gone()
	}
	var m *quiltv1.SessionResponse
	select {
	case m = <-w.answer:
	case <-s.done:
		return nil, s.gone()
	case <-ctx.Done():
		return nil, s.abandon(ctx, w, id)
	}
	if r := m.GetRefused(); r != nil {
		return nil, face(r.Error)
	}
	return &Grant{Fence: m.GetGranted().GetFence(), session: s, id: id}, nil
}

// abandon cancels an acquire; what it may get all the same goes back.
func (s *Session) abandon(ctx context.Context, w *waiting, id uint64) error {
	_ = s.send(&quiltv1.SessionRequest{Ask: &quiltv1.SessionRequest_Cancel{Cancel: id}}) // or the session has ended
	go func() {
		select {
		case m := <-w.answer:
			if m.GetGranted() != nil {
				(&Grant{session: s, id: id}).Release(Spend{})
			}
		case <-s.done:
		}
	}()
	return context.Cause(ctx)
}

func (s *Session) gone() error {
	<-s.done
	if s.err != nil {
		return s.err
	}
	return fault.New(fault.Unavailable, "the session with quiltd has ended").WithHint("open it again")
}

// Release gives everything back; used is what was really spent.
func (g *Grant) Release(used Spend) { g.release(used.wire()) }

// Keep gives everything back; what was estimated counts as spent. For calls of
// which nobody knows how far they came.
func (g *Grant) Keep() { g.release(nil) }

func (g *Grant) release(used *quiltv1.Spend) {
	g.once.Do(func() {
		// A session that has ended holds nothing.
		_ = g.session.send(&quiltv1.SessionRequest{Ask: &quiltv1.SessionRequest_Release{Release: &quiltv1.SessionRelease{Id: g.id, Used: used}}})
	})
}

func (s Spend) wire() *quiltv1.Spend {
	return &quiltv1.Spend{Tokens: s.Tokens, MicroUsd: s.MicroUSD}
}
