package agency

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Leases is what this room needs of aria/tokenapi.
type Leases interface {
	OpenSession(ctx context.Context, r tokenapi.SessionRequest) (*tokenapi.Session, error)
}

// leased is a model that is asked under a lease of the agent's own: the token of
// the model is held while it answers and not a moment longer, so that a thinking
// agent blocks nobody, and everybody can see whom it waits for.
type leased struct {
	Model
	leases  Leases
	d       *desk
	request tokenapi.SessionRequest

	mu      sync.Mutex
	session *tokenapi.Session
}

// Trouble with quiltd in the middle of a run is waited out this often.
const leaseTries = 30

func (s *stint) leased() *leased {
	u := s.unit
	return &leased{Model: s.model, leases: s.a.Leases, d: s.d, request: tokenapi.SessionRequest{
		Unit: u.Name, Tokens: []string{"llm:" + s.model.Ref},
		Standing: tokenapi.Standing{Bundle: string(u.Digest), Package: u.Bundle},
	}}
}

// Generate asks under the lease.
func (l *leased) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	grant, err := l.acquire(ctx, estimate(req))
	if err != nil {
		return llm.Reply{}, err
	}
	reply, err := l.Model.Generate(ctx, req, emit)
	if err != nil {
		grant.Keep() // nobody knows how far it came
		return reply, err
	}
	used := tokenapi.Spend{Tokens: reply.Usage.Tokens()}
	if l.Price != nil {
		used.MicroUSD = l.Price.Micros(reply.Usage)
	}
	grant.Release(used)
	return reply, nil
}

// estimate is what a rate in the policy is asked for.
func estimate(req llm.Request) tokenapi.Spend {
	n := req.MaxTokens
	for _, m := range req.Messages {
		n += int64(len(m.Text) / 4)
	}
	return tokenapi.Spend{Tokens: n}
}

func (l *leased) acquire(ctx context.Context, most tokenapi.Spend) (*tokenapi.Grant, error) {
	for try := 1; ; try++ {
		grant, had, err := l.once(ctx, most)
		c := fault.CodeOf(err)
		if err == nil || !had && try == 1 || try > leaseTries || ctx.Err() != nil || c != fault.Unavailable && c != fault.Interrupted {
			return grant, err
		}
		select { // quiltd is on its way back
		case <-time.After(min(50*time.Millisecond<<min(try, 5), time.Second)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// once says too whether there was a session before.
func (l *leased) once(ctx context.Context, most tokenapi.Spend) (grant *tokenapi.Grant, had bool, err error) {
	l.mu.Lock()
	had = l.session != nil
	if had && ended(l.session) {
		l.session = nil
	}
	if l.session == nil {
		r := l.request
		r.ID = fmt.Sprintf("%s.think-%s", l.d.job.Run, strconv.FormatInt(time.Now().UnixNano(), 36))
		l.session, err = l.leases.OpenSession(ctx, r)
	}
	session := l.session
	l.mu.Unlock()
	if err != nil {
		return nil, had, err
	}
	grant, err = session.Acquire(ctx, l.request.Tokens, most, func(q tokenapi.Queued) {
		_ = l.d.job.Emit("queued", map[string]any{"for": "tokens", "waits_for": q.WaitsFor, "held_by": q.HeldBy, "position": q.Position}) // or the run ends by itself
	})
	return grant, true, err
}

func ended(s *tokenapi.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// close gives back what the session may still have.
func (l *leased) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		l.session.Close()
		l.session = nil
	}
}
