package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Pool is a Machine that keeps some containers parked: booted, hardened and
// empty, without code, token or tenant. A claim binds the limits of one
// execution to a parked container, which runs that one and dies. A dry pool, or
// an execution that a parked container does not fit, starts cold.
//
// As many are parked as were lately wanted at once, Max at most, what the
// machine's memory allows, and none after Quiet without a start. While more run
// than Busy none is parked: a start that somebody waits for goes first. For the
// same reason the next one is parked once nothing has started or ended for a
// moment: beside the execution that took the last one, on the same processors,
// it would make that one take half as long again.
type Pool struct {
	inner Machine
	cfg   PoolConfig

	mu      sync.Mutex // guards the rest
	parked  []*parkedOne
	making  int
	want    int
	live    int
	serial  uint64
	closed  bool
	leaving bool // what is parked goes to another engine
	quiet   *time.Timer
	calm    *time.Timer // parks what is missing
	since   time.Time   // something is missing; zero: nothing is
	workers sync.WaitGroup
}

const (
	calmTime = 15 * time.Millisecond // without a start or an end, before parking
	calmMost = 60 * time.Millisecond // what is missing waits at most
)

// PoolConfig bounds a Pool.
type PoolConfig struct {
	Max   int           // parked at most; each takes about 4 MiB
	Busy  int           // live ones beyond which none is parked; 0: no bound
	Room  func() int    // how many more the memory has room for; nil: any number
	Quiet time.Duration // without a start: let all go
	Fits  func(Spec) bool
	Net   bool // what is parked has a gate
	Log   *slog.Logger
}

type parkedOne struct {
	c      *Container
	forget context.CancelFunc // ends the watch for an early death
}

// NewPool parks nothing until something was started.
func NewPool(inner Machine, cfg PoolConfig) *Pool {
	p := &Pool{inner: inner, cfg: cfg}
	p.quiet = time.AfterFunc(cfg.Quiet, p.drain)
	p.calm = time.AfterFunc(calmTime, p.refill)
	return p
}

func (p *Pool) Isolation() string { return p.inner.Isolation() }
func (p *Pool) Image() string     { return p.inner.Image() }

// Start claims a parked container, or starts one.
func (p *Pool) Start(ctx context.Context, s Spec) (*Container, error) {
	one := p.take(s)
	if one != nil {
		one.forget()
		err := one.c.Claim(ctx, s)
		if err == nil {
			one.c.Start = "pooled"
			return p.counted(one.c), nil
		}
		p.cfg.Log.Warn("parked container not claimed, starting cold", "execution", s.ID, "err", err)
		scrap(one, p.cfg.Log)
	}
	c, err := p.inner.Start(ctx, s)
	if err != nil {
		p.ended()
		return nil, err
	}
	return p.counted(c), nil
}

// take counts the start as demand and hands out the oldest parked container.
func (p *Pool) take(s Spec) *parkedOne {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live++
	p.want = min(p.cfg.Max, max(p.want, p.live))
	p.quiet.Reset(p.cfg.Quiet)
	p.later()
	if len(p.parked) == 0 || !p.cfg.Fits(s) {
		return nil
	}
	one := p.parked[0]
	p.parked = p.parked[1:]
	return one
}

// counted makes the container's end known to the pool, once.
func (p *Pool) counted(c *Container) *Container {
	wait, once := c.Wait, sync.Once{}
	c.Wait = func(ctx context.Context) (Exit, error) {
		exit, err := wait(ctx)
		once.Do(p.ended)
		return exit, err
	}
	return c
}

func (p *Pool) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live--
	p.later()
}

// later parks what is missing in a calm moment, or when it has been missing for
// long. The caller holds mu.
func (p *Pool) later() {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.calm.Reset(max(0, min(calmTime, calmMost-time.Since(p.since))))
}

// refill parks what is missing, in the background.
func (p *Pool) refill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
	p.fill()
}

func (p *Pool) fill() {
	missing := p.want - len(p.parked) - p.making
	if p.closed || p.leaving || missing <= 0 || p.cfg.Busy > 0 && p.live > p.cfg.Busy {
		return
	}
	if p.cfg.Room != nil {
		missing = min(missing, p.cfg.Room()-p.making)
	}
	for range missing {
		p.making++
		p.serial++
		id := fmt.Sprint("parked-", p.serial)
		p.workers.Go(func() { p.park(id) })
	}
}

func (p *Pool) park(id string) {
	c, err := p.inner.Start(context.Background(), Spec{ID: id, Parked: true, Net: p.cfg.Net})
	p.mu.Lock()
	p.making--
	if err != nil {
		p.want = 0 // the next start wants again
		p.mu.Unlock()
		p.cfg.Log.Warn("no container parked", "err", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &parkedOne{c: c, forget: cancel}
	if p.closed || p.want == 0 {
		p.mu.Unlock()
		cancel()
		scrap(one, p.cfg.Log)
		return
	}
	p.keep(ctx, one)
	p.mu.Unlock()
}

// keep parks a container that runs. The caller holds mu.
func (p *Pool) keep(ctx context.Context, one *parkedOne) {
	p.parked = append(p.parked, one)
	p.workers.Go(func() { p.watch(ctx, one) })
}

// Leave gives out what is parked, for another engine, and parks no more. What is
// on its way is waited for, a little.
func (p *Pool) Leave() []*Container {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = true
	for end := time.Now().Add(100 * time.Millisecond); p.making > 0 && time.Now().Before(end); {
		p.mu.Unlock()
		time.Sleep(time.Millisecond)
		p.mu.Lock()
	}
	var out []*Container
	for _, one := range p.parked {
		one.forget()
		out = append(out, one.c)
	}
	p.parked = nil
	return out
}

// Resume parks what another engine had parked, and counts what it had running.
func (p *Pool) Resume(parked, running []*Container) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range parked {
		ctx, cancel := context.WithCancel(context.Background())
		p.keep(ctx, &parkedOne{c: c, forget: cancel})
	}
	p.live += len(running)
	p.want = min(p.cfg.Max, max(len(parked), len(running)))
	for _, c := range running {
		p.counted(c)
	}
}

// watch removes a parked container that ends by itself.
func (p *Pool) watch(ctx context.Context, one *parkedOne) {
	if _, err := one.c.Wait(ctx); errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	for i, x := range p.parked {
		if x == one {
			p.parked = append(p.parked[:i:i], p.parked[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	closeAll(one.c)
}

// scrap ends a parked container and waits until nothing of it is left.
func scrap(one *parkedOne, log *slog.Logger) {
	one.forget()
	if err := one.c.Kill(); err != nil {
		log.Warn("parked container not killed", "err", err)
	}
	ctx, done := context.WithTimeout(context.Background(), cleanLimit)
	defer done()
	if _, err := one.c.Wait(ctx); err != nil {
		log.Error("parked container left something behind", "err", err)
	}
	closeAll(one.c)
}

func closeAll(c *Container) {
	c.Control.Close()
	c.Stdout.Close()
	c.Stderr.Close()
	if c.Gate != nil {
		c.Gate.Close()
	}
}

// drain lets all parked containers go.
func (p *Pool) drain() {
	p.mu.Lock()
	all := p.parked
	p.parked, p.want = nil, 0
	p.mu.Unlock()
	for _, one := range all {
		scrap(one, p.cfg.Log)
	}
}

// Parked is how many wait to be claimed.
func (p *Pool) Parked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.parked)
}

// Close parks no more and returns when nothing parked is left.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.quiet.Stop()
	p.calm.Stop()
	p.drain()
	p.workers.Wait()
	p.drain()
}
