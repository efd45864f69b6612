// Package gate serves the listener on a container's own loopback, for the one
// execution that the container runs and only while it runs: an HTTP forward
// proxy over quilt/net, so that an unmodified fetch works, and by path the model
// gateway. What the lease does not hold is refused with a sentence that names
// the token, in the answer and in the run's log.
//
// Nothing from inside is believed. One connection carries one request: its head
// is read and checked as bytes before any parser that is kinder sees it, and
// what goes out is written anew, so there is nothing to smuggle.
package gate

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
)

// Bounds of one container's gate.
const (
	maxConns    = 128
	headTimeout = 10 * time.Second
)

// Config of a Gate.
type Config struct {
	Egress *egress.Egress
	// Model answers /openai/, /anthropic/ and /gemini/ for an execution; nil:
	// there is none.
	Model func(broker.Call) http.Handler
	Addr  string // where containers see the gate: "127.0.0.1:4180"
	Log   *slog.Logger
}

// Gate makes sessions. It keeps nothing between them.
type Gate struct{ cfg Config }

// New makes a Gate.
func New(cfg Config) *Gate { return &Gate{cfg} }

// session is one execution at its gate.
type session struct {
	gate      *Gate
	call      broker.Call
	log       *broker.Log
	transport *http.Transport
	inside    http.Handler
	ctx       context.Context
	busy      sync.WaitGroup

	mu      sync.Mutex
	over    bool            // no handler begins any more
	denied  *fault.Error    // the first refusal for want of a token
	tunnels map[string]bool // that were spoken of in the log
}

// Serve answers on l for call until ctx ends, and returns when no connection is
// left. It closes l. What is refused for want of a token is written to log; the
// first such refusal is returned.
func (g *Gate) Serve(ctx context.Context, l net.Listener, call broker.Call, log *broker.Log) *fault.Error {
	s := &session{gate: g, call: call, log: log, transport: g.cfg.Egress.Transport(), inside: g.Inside(call), ctx: ctx, tunnels: map[string]bool{}}
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: headTimeout, MaxHeaderBytes: maxHead,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what a container says badly is its own affair
	}
	srv.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(&listener{Listener: l, slots: make(chan struct{}, maxConns), addr: g.cfg.Addr, done: ctx.Done()})
	if err != nil && !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		g.cfg.Log.Error("gate", "execution", call.Execution, "err", err)
	}
	<-ctx.Done()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.busy.Wait()
	s.transport.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.denied
}

// begin counts a handler in, unless the execution is over.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.busy.Add(1)
	}
	return !s.over
}

// refused notes an error for the run's log, and a denial for how it ends.
func (s *session) refused(err error) *fault.Error {
	f, ok := fault.As(err)
	if !ok {
		f = fault.New(fault.Unavailable, "the request failed: %s", broker.Clip(err.Error(), 300))
	}
	if s.ctx.Err() != nil {
		return f // the execution is over, and nobody asks why
	}
	text := "net: " + f.Message
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	s.log.Add(broker.Entry{Level: "warn", Text: text})
	if f.Code == fault.Denied {
		s.mu.Lock()
		if s.denied == nil {
			s.denied = f
		}
		s.mu.Unlock()
	}
	return f
}
