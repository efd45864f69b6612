package daemon

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// pools are the parked containers of both profiles. What a container may do is
// fixed when it starts, so one that was parked without a gate never gets one,
// and nobody answers at the gate of one that is still parked. Each parks as many
// as were lately wanted of its profile, so who never uses the net pays nothing.
type pools struct{ plain, net *engine.Pool }

func newPools(host engine.Machine, cfg Config, fits func(engine.Spec) bool, log *slog.Logger) *pools {
	make := func(net bool) *engine.Pool {
		return engine.NewPool(host, engine.PoolConfig{
			Max: cfg.Parked, Busy: 2 * runtime.NumCPU(), Room: roomParked, Quiet: time.Duration(cfg.ParkedQuiet), Fits: fits, Net: net, Log: log,
		})
	}
	return &pools{plain: make(false), net: make(true)}
}

func (p *pools) Isolation() string { return p.plain.Isolation() }
func (p *pools) Image() string     { return p.plain.Image() }

func (p *pools) Start(ctx context.Context, s engine.Spec) (*engine.Container, error) {
	return p.of(s.Net).Start(ctx, s)
}

// Resume takes up what an engine before this one left.
func (p *pools) Resume(parked, running []*engine.Container) {
	for _, net := range []bool{false, true} {
		only := func(list []*engine.Container) []*engine.Container {
			return slices.DeleteFunc(slices.Clone(list), func(c *engine.Container) bool { return (c.Gate != nil) != net })
		}
		p.of(net).Resume(only(parked), only(running))
	}
}

// Leave is what is parked, for the engine that comes after this one.
func (p *pools) Leave() []*engine.Container {
	return append(p.plain.Leave(), p.net.Leave()...)
}

func (p *pools) of(net bool) *engine.Pool {
	if net {
		return p.net
	}
	return p.plain
}

func (p *pools) close() {
	p.plain.Close()
	p.net.Close()
}
