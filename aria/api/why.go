package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/task"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Why joins what aria/task knows of a run with quiltd's table of tokens.
func (t tasks) Why(ctx context.Context, r *connect.Request[ariav1.WhyRequest]) (*connect.Response[ariav1.WhyResponse], error) {
	run, reason, err := t.s.Tasks.Why(ctx, task.ID(r.Msg.Run))
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	out := &ariav1.WhyResponse{Run: r.Msg.Run, State: string(run.State)}
	if run.State.Ended() {
		out.Sentence = fmt.Sprintf("%s waits for no token: it is %s", run.ID, run.State)
		return connect.NewResponse(out), nil
	}
	asked, cancel := asking(ctx)
	defer cancel()
	table, err := t.s.Engine.Tokens(asked)
	if err != nil && reason.For == "" {
		return nil, named(err, r.Msg.Run)
	}
	explain(out, run, reason, withRuns(table))
	return connect.NewResponse(out), nil
}

func explain(out *ariav1.WhyResponse, run task.Run, w task.Reason, table *ariav1.TokensResponse) {
	for _, x := range table.GetWaiters() {
		if x.Run == string(run.ID) {
			out.Waits, out.For, out.Waiter, out.Sentence = true, "tokens", x, forTokens(x, table)
			for _, h := range append(x.HeldBy, x.Behind...) {
				out.HeldBy = append(out.HeldBy, runOf(h))
			}
			return
		}
	}
	out.For, out.Waits = w.For, w.For != ""
	for _, h := range w.HeldBy {
		out.HeldBy = append(out.HeldBy, string(h))
	}
	switch w.For {
	case "turn":
		out.Sentence = fmt.Sprintf("%s waits for its turn: %s is bounded, and %s goes first; it is number %d in the line, and goes on when they end, or at once after: arc cancel %s",
			run.ID, w.Of, strings.Join(out.HeldBy, " "), w.Position, out.HeldBy[0])
	case "slot":
		out.Sentence = fmt.Sprintf("%s waits for a slot: as many %ss run as ariad lets run at once; it is number %d in the line", run.ID, run.Kind, w.Position)
	case "approval":
		out.Sentence = fmt.Sprintf("%s waits for %s to agree%s: arc approve %s", run.ID, w.Role, until(w.Due), run.ID)
	case "timer":
		out.Sentence = fmt.Sprintf("%s sleeps%s", run.ID, until(w.Due))
	case "child":
		out.Sentence = fmt.Sprintf("%s waits for what it called: %s (%s); ask why of that", run.ID, strings.Join(out.HeldBy, " "), w.Unit)
	default:
		out.Sentence = goesOn(run, table)
	}
}

func until(due time.Time) string {
	if due.IsZero() {
		return ""
	}
	return " until " + due.UTC().Format(time.RFC3339)
}

func goesOn(run task.Run, table *ariav1.TokensResponse) string {
	for _, h := range table.GetHolders() {
		if h.Run == string(run.ID) {
			held := strings.Join(h.Tokens, " ")
			if held == "" {
				held = "no token"
			}
			return fmt.Sprintf("%s waits for no token: %s runs and has held %s for %s", run.ID, h.Unit, held, lasted(h.SinceUnixMs))
		}
	}
	return fmt.Sprintf("%s waits for no token: it is %s", run.ID, run.State)
}

func forTokens(w *ariav1.TokenWaiter, table *ariav1.TokensResponse) string {
	s := fmt.Sprintf("%s has waited %s for %s", w.Run, lasted(w.SinceUnixMs), strings.Join(w.Blocked, " and "))
	if w.OpensUnixMs > 0 {
		return s + fmt.Sprintf("; nobody holds it, but %s is used up for now; it goes on in %s, or earlier if that is raised",
			w.Limit, max(0, time.Until(time.UnixMilli(w.OpensUnixMs))).Round(100*time.Millisecond))
	}
	if len(w.HeldBy) == 0 {
		goes := "goes"
		if len(w.Behind) != 1 {
			goes = "go"
		}
		return s + fmt.Sprintf("; nobody holds it, but %s asked earlier and %s first; it is number %d in the queue", runsOf(w.Behind), goes, w.Position)
	}
	held := "held by " + runsOf(w.HeldBy)
	for _, h := range table.GetHolders() {
		if h.Execution == w.HeldBy[0] && len(w.HeldBy) == 1 {
			held = fmt.Sprintf("held by %s (%s) for %s", h.Run, h.Unit, lasted(h.SinceUnixMs))
		}
	}
	s += ", " + held
	if len(w.Behind) > 0 {
		s += ", behind " + runsOf(w.Behind)
	}
	return s + fmt.Sprintf("; it goes on when they end, or at once after: arc cancel %s", runOf(w.HeldBy[0]))
}

// runsOf names the runs of executions.
func runsOf(executions []string) string {
	out := make([]string, len(executions))
	for i, x := range executions {
		out[i] = runOf(x)
	}
	return strings.Join(out, " ")
}

// lasted is how long something has gone on.
func lasted(sinceMS int64) string {
	return max(0, time.Since(time.UnixMilli(sinceMS))).Round(100 * time.Millisecond).String()
}
