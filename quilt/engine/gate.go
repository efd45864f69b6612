package engine

import (
	"context"
	"net"
	"slices"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// Gate answers whatever connects on a container's own loopback.
type Gate interface {
	// Serve closes l, and returns when ctx has ended and no connection is left:
	// with the first refusal for want of a token, if there was one.
	Serve(ctx context.Context, l net.Listener, call broker.Call, log *broker.Log) *fault.Error
}

// hasGate: only who holds a token that leads through the gate gets one; all
// others cannot even make a socket for it.
func (e *Engine) hasGate(tokens token.Set) bool {
	return e.cfg.Gate != nil && slices.ContainsFunc(tokens, func(t token.Token) bool {
		return t.Scheme() == "net" || t.Scheme() == "llm"
	})
}

// openGate serves the container's gate until the result is called, which
// returns when nothing of it is left.
func (x *execution) openGate(ctx context.Context, c *Container, grant broker.Grant, log *broker.Log) (shut func() *fault.Error) {
	if c.Gate == nil {
		return func() *fault.Error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	denied := make(chan *fault.Error, 1)
	call := broker.Call{Execution: x.req.Execution, Unit: x.req.Unit, Grant: grant, Recorded: x.req.Journal != nil}
	go func() { denied <- x.engine.cfg.Gate.Serve(ctx, c.Gate, call, log) }()
	return func() *fault.Error {
		cancel()
		return <-denied
	}
}

// ended tells the services that an execution is over.
func (e *Engine) ended(execution string) {
	for _, s := range e.cfg.Services {
		if s.Ended != nil {
			s.Ended(execution)
		}
	}
}
