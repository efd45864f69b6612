package api

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Engine is what the other daemon says of its tokens. Runs are left out: this
// room knows them by the executions' ids.
type Engine interface {
	Tokens(ctx context.Context) (*ariav1.TokensResponse, error)
	WatchTokens(ctx context.Context, after uint64, emit func(*ariav1.WatchTokensResponse) error) error
	Policy(ctx context.Context) (*ariav1.PolicyResponse, error)
	Figures(ctx context.Context) ([]Figure, error)
}

// Tokens passes on quiltd's table; an execution's run is what its id begins with.
func (y system) Tokens(ctx context.Context, _ *connect.Request[ariav1.TokensRequest]) (*connect.Response[ariav1.TokensResponse], error) {
	ctx, cancel := asking(ctx)
	defer cancel()
	out, err := y.s.Engine.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(withRuns(out)), nil
}

func withRuns(t *ariav1.TokensResponse) *ariav1.TokensResponse {
	for _, h := range t.GetHolders() {
		h.Run = runOf(h.Execution)
	}
	for _, w := range t.GetWaiters() {
		w.Run = runOf(w.Execution)
	}
	return t
}

// WatchTokens passes on what happens to tokens until the client leaves.
func (y system) WatchTokens(ctx context.Context, r *connect.Request[ariav1.WatchTokensRequest], out *connect.ServerStream[ariav1.WatchTokensResponse]) error {
	ctx, done := y.s.watching(ctx)
	defer done()
	return y.s.Engine.WatchTokens(ctx, r.Msg.After, func(e *ariav1.WatchTokensResponse) error {
		e.Run, e.Snapshot = runOf(e.Execution), withRuns(e.Snapshot)
		return out.Send(e)
	})
}

// Policy passes on the text that holds.
func (y system) Policy(ctx context.Context, _ *connect.Request[ariav1.PolicyRequest]) (*connect.Response[ariav1.PolicyResponse], error) {
	ctx, cancel := asking(ctx)
	defer cancel()
	out, err := y.s.Engine.Policy(ctx)
	return connect.NewResponse(out), err
}

// asking bounds a question to the other daemon.
func asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 5*time.Second,
		fault.New(fault.Unavailable, "quiltd did not answer within 5 s").WithHint("the machine may be overloaded; ask again"))
}

// runOf cuts piece and attempt from "run.attempt" and "run.step.attempt".
func runOf(execution string) string {
	run, _, _ := strings.Cut(execution, ".")
	return run
}

// noEngine stands for an engine that nobody wired.
type noEngine struct{}

func (noEngine) fail() error { return fault.New(fault.Unavailable, "there is no quiltd here") }

func (n noEngine) Tokens(context.Context) (*ariav1.TokensResponse, error) { return nil, n.fail() }
func (n noEngine) WatchTokens(context.Context, uint64, func(*ariav1.WatchTokensResponse) error) error {
	return n.fail()
}
func (n noEngine) Policy(context.Context) (*ariav1.PolicyResponse, error) { return nil, n.fail() }
func (n noEngine) Figures(context.Context) ([]Figure, error)              { return nil, n.fail() }
