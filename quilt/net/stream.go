package net

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// service keeps what is open of each execution.
type service struct {
	egress  *Egress
	secrets Secrets
	gate    string                         // its address
	inside  func(broker.Call) http.Handler // what it offers itself; nil: nothing

	mu       sync.Mutex
	sessions map[string]*session
}

// session is one execution's: its connections are shared with nobody, so that
// nothing one unit leaves on a connection meets another.
type session struct {
	ctx       context.Context
	cancel    context.CancelFunc
	transport *http.Transport

	busy sync.WaitGroup // handlers of the gate's own

	mu      sync.Mutex
	streams map[int64]*stream                 // by the call that opened it
	over    map[int64]bool                    // streams that were read to their end or given up
	open    map[int64]context.CancelCauseFunc // requests without an answer, by name
	parts   map[int64][]byte                  // of bodies, by the call that brought it
	kept    int                               // bytes of parts
}

// errGivenUp is the cause of a request that its unit has given up.
var errGivenUp = fault.New(fault.Cancelled, "the request was given up")

// named lets net.close end a request by its name until the result is called.
func (x *session) named(name int64, cancel context.CancelCauseFunc) (answered func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open[name] = cancel
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.open, name)
	}
}

func (s *service) session(execution string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.sessions[execution]
	if x == nil {
		ctx, cancel := context.WithCancel(context.Background())
		x = &session{ctx: ctx, cancel: cancel, transport: s.egress.Transport(), streams: map[int64]*stream{},
			open: map[int64]context.CancelCauseFunc{}, parts: map[int64][]byte{}, over: map[int64]bool{}}
		s.sessions[execution] = x
	}
	return x
}

// leave ends what is open of an execution that goes on in another quiltd: nothing of
// it goes along, and what models were asked for is charged here.
func (s *service) leave(execution string) any {
	s.ended(execution)
	return nil
}

// ended lets go of all that an execution had open.
func (s *service) ended(execution string) {
	s.mu.Lock()
	x := s.sessions[execution]
	delete(s.sessions, execution)
	s.mu.Unlock()
	if x != nil {
		x.cancel()
		x.mu.Lock()
		for _, st := range x.streams {
			st.close() // what nobody reads would hold up who writes it
		}
		x.mu.Unlock()
		x.busy.Wait()
		x.transport.CloseIdleConnections()
	}
}

// answer makes the value of net.fetch. cancel ends the request; again says that it
// may be made again.
func (x *session) answer(id int64, res *http.Response, g *guard, redirected, again bool, cancel func()) (any, error) {
	mask := g.bound.mask()
	out := fetched{Status: res.StatusCode, StatusText: strings.TrimPrefix(strings.TrimLeft(res.Status, "0123456789"), " "),
		URL: mask.String(res.Request.URL.String()), Redirected: redirected}
	for name, values := range res.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, [2]string{strings.ToLower(name), v})
		}
	}
	slices.SortStableFunc(out.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	st := newStream(res.Body, cancel)
	if !x.keep(id, st) {
		st.close()
		return nil, fault.New(fault.Exhausted, "more than %d answers are open", maxStreams).WithHint("read each to its end, or cancel it")
	}
	timer := time.AfterFunc(settle, st.hurry)
	defer timer.Stop()
	body, err := x.take(id, st, true)
	out.chunk = body
	out.Again = again && out.Stream != 0
	return out, err
}

// keep names a stream by the call that opened it: a unit that is taken up again
// never means another one. False: there are too many.
func (x *session) keep(id int64, st *stream) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.streams) >= maxStreams {
		return false
	}
	x.streams[id] = st
	return true
}

// take reads the next part. A stream that has ended is forgotten.
func (x *session) take(id int64, st *stream, whole bool) (chunk, error) {
	part, more, err := st.next(whole)
	c := chunk{Body: base64.StdEncoding.EncodeToString(part), Stream: id}
	if !more || err != nil {
		x.forget(id)
		c.Stream = 0
	}
	return c, err
}

func (x *session) forget(id int64) *stream {
	x.mu.Lock()
	defer x.mu.Unlock()
	st := x.streams[id]
	if st != nil {
		x.over[id] = true
	}
	delete(x.streams, id)
	return st
}

type streamArgs struct {
	Stream int64 `json:"stream"`
	Again  bool  `json:"again"` // as the answer said
	Name   int64 `json:"name"`  // net.close: of a request that has no answer yet
}

// read waits for the next part of a body.
func (s *service) read(ctx context.Context, c broker.Call) (any, error) {
	var a streamArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of net.read are not valid")
	}
	x := s.session(c.Execution)
	x.mu.Lock()
	st, was := x.streams[a.Stream], x.over[a.Stream] || a.Stream <= 0 || a.Stream >= c.ID
	x.mu.Unlock()
	if st == nil && was {
		return nil, fault.New(fault.NotFound, "there is no answer %d to read", a.Stream)
	}
	if st == nil {
		return nil, lost(a)
	}
	stop := context.AfterFunc(ctx, st.close)
	defer stop()
	return x.take(a.Stream, st, false)
}

// lost is what becomes of an answer that a daemon's end cut: what was read of it
// stays, the rest is gone, and nobody can tell what the host did meanwhile.
func lost(a streamArgs) error {
	if a.Again {
		return fault.New(fault.Interrupted, "the answer was cut: a daemon stopped while it came").WithHint("the request can be made again")
	}
	return fault.New(fault.Uncertain, "the answer was cut: a daemon stopped while it came; the request was made").
		WithHint("look what came of it; with an Idempotency-Key it would be safe to repeat")
}

// close gives a request or the rest of a body up.
func (s *service) close(_ context.Context, c broker.Call) (any, error) {
	var a streamArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of net.close are not valid")
	}
	x := s.session(c.Execution)
	if st := x.forget(a.Stream); st != nil {
		st.close()
	}
	x.mu.Lock()
	cancel := x.open[a.Name]
	x.mu.Unlock()
	if cancel != nil {
		cancel(errGivenUp)
	}
	return nil, nil
}

// stream reads a body ahead, up to maxInline bytes.
type stream struct {
	body   io.ReadCloser
	cancel func()

	mu      sync.Mutex // guards the rest
	changed *sync.Cond
	buf     bytes.Buffer
	total   int64
	err     error // io.EOF: it has ended
	hurried bool
}

func newStream(body io.ReadCloser, cancel func()) *stream {
	s := &stream{body: body, cancel: cancel}
	s.changed = sync.NewCond(&s.mu)
	go s.fill()
	return s
}

func (s *stream) fill() {
	part := make([]byte, 16<<10)
	for {
		n, err := s.body.Read(part)
		s.mu.Lock()
		s.buf.Write(part[:n])
		s.total += int64(n)
		if err == nil && s.total > MaxResponse {
			err = fault.New(fault.Exhausted, "the answer has more than %d MiB", MaxResponse>>20).WithHint("ask for a part of it")
		}
		if s.err == nil {
			s.err = err
		}
		s.changed.Broadcast()
		for s.err == nil && s.buf.Len() >= maxInline {
			s.changed.Wait()
		}
		done := s.err != nil
		s.mu.Unlock()
		if done {
			s.body.Close()
			s.cancel()
			return
		}
	}
}

// next waits for a part; with whole, for all of it until it is hurried or there
// is as much as a frame carries.
func (s *stream) next(whole bool) (part []byte, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.buf.Len() < maxInline && !(s.hurried && whole) && (whole || s.buf.Len() == 0) {
		s.changed.Wait()
	}
	part = bytes.Clone(s.buf.Next(maxInline))
	s.changed.Broadcast()
	if s.buf.Len() > 0 || s.err == nil {
		return part, true, nil
	}
	if errors.Is(s.err, io.EOF) {
		return part, false, nil
	}
	if _, ok := fault.As(s.err); ok {
		return nil, false, s.err
	}
	return nil, false, fault.Wrap(s.err, fault.Unavailable, "the answer broke off")
}

func (s *stream) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurried = true
	s.changed.Broadcast()
}

// close gives the body up; whoever waits for a part is told.
func (s *stream) close() {
	s.mu.Lock()
	if s.err == nil {
		s.err = fault.New(fault.Cancelled, "the answer was given up")
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	s.cancel()
}
