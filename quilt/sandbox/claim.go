package sandbox

import (
	"context"
	"reflect"
	"slices"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Claim gives a container that was started for nobody the limits of p, once.
// Only limits can change: program, environment and the size of /tmp were fixed
// before exec, and must be those of the container. After an error the
// container must be killed.
func (k *Container) Claim(ctx context.Context, p Plan) error {
	if k.claimed.Swap(true) {
		return fault.New(fault.Denied, "container %s: the parked container was claimed before", p.Spec.ID).WithHint("a container runs one execution")
	}
	same := p.Spec
	same.ID = k.spec.ID
	if reflect.DeepEqual(same, k.spec) {
		return nil // it has these limits already: nothing to ask for
	}
	answer := make(chan reply, 1)
	c := k.client
	c.mu.Lock()
	c.last++
	n := c.last
	c.replies[n] = answer
	c.mu.Unlock()
	defer func() { // not forget: the container goes on under its own number
		c.mu.Lock()
		delete(c.replies, n)
		c.mu.Unlock()
	}()
	if err := c.link.send(message{Op: "claim", N: n, Of: k.n, Spec: &p.Spec, Plan: p.Digest()}); err != nil {
		return errGone
	}
	select {
	case r := <-answer:
		closeAll(r.fds)
		if r.m.Fault != nil {
			return r.m.Fault.fault()
		}
		return nil
	case <-k.gone:
		return fault.New(fault.Unavailable, "the parked container has ended")
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return errGone
	}
}

func (l *launcher) serveClaim(conn *link, m message) {
	answer := message{Op: "claimed", N: m.N}
	if err := l.claim(m.Of, *m.Spec, m.Plan); err != nil {
		answer = message{Op: "failed", N: m.N, Fault: toWire(err)}
	}
	_ = conn.send(answer)
}

func (l *launcher) claim(n uint64, spec Spec, digest string) error {
	r := l.find(n)
	if r == nil {
		return fault.New(fault.NotFound, "the parked container is not there")
	}
	plan, err := NewPlan(spec, l.host)
	if err != nil {
		return err
	}
	if plan.Digest() != digest {
		return fault.New(fault.Denied, "container %s: the plan is not the one its spec gives", spec.ID).
			WithHint("pass what NewPlan returned, unchanged")
	}
	if plan.Spec.TmpBytes != r.spec.TmpBytes || plan.Spec.Net != r.spec.Net || plan.Spec.NoJIT != r.spec.NoJIT || !slices.Equal(plan.Spec.Argv, r.spec.Argv) || !slices.Equal(plan.Spec.Env, r.spec.Env) {
		return fault.New(fault.Invalid, "container %s: a claim can change limits only", spec.ID).WithHint("start it cold")
	}
	if r.watch != nil && (plan.Spec.MemoryBytes != r.spec.MemoryBytes || plan.Spec.Pids != r.spec.Pids) {
		return fault.New(fault.Invalid, "container %s: without control groups a claim changes no limits", spec.ID).WithHint("start it cold")
	}
	err = fault.New(fault.Denied, "container %s: the parked container was claimed before", spec.ID).WithHint("a container runs one execution")
	r.claim.Do(func() { err = r.slot.group.rebind(l.tree.version, plan.Cgroup) })
	return err
}

// rebind writes the limits of l. On v1 memory alone may never be above memory
// with swap, so which of the two goes first depends on the direction: both
// orders are tried, and the settings as they then stand are what counts.
func (g *cgroup) rebind(version int, l Limits) error {
	return g.change(limitSettings(version, l))
}

// change writes a list one way or the other.
func (g *cgroup) change(list []setting) error {
	if err := g.apply(list); err == nil {
		return nil
	}
	slices.Reverse(list)
	return g.apply(list)
}
