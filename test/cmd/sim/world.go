package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

var texts = []string{
	"kv:a:s", "kv:a:r", "kv:a:a", "kv:a:u", "kv:a:rw", "kv:a/x:r", "kv:a/x:rw", "kv:a/y:a", "kv:b:u", "kv:b:rw", "kv:c:rw",
	"kv:d:rw", "kv:e/f:rw", "fs:/r/s:rw", "lock:l", "lock:m", "gpu:0", "gpu:*", "slot:*", "slot:*", "slot:*#3", "llm:o:big", "llm:o:small", "secret:S",
}

var pools = map[string]int64{"gpu": 3, "slot": 6, "llm/o": 3, "llm/o/big": 1}

var tenants = []string{"", "acme", "beta"}

// world is one round: the scheduler, who uses it, and a naive account of who
// holds what that knows nothing of nodes, queues or plans.
type world struct {
	count
	r       *rand.Rand
	s       *scheduler.Scheduler
	epoch   uint64
	now     time.Time
	all     []token.Token
	ids     []string
	people  map[string]*person
	used    map[string]int64
	fence   uint64
	written map[string]uint64 // the store: last fence by key
	delayed []write
	list    []token.Token
}

// person is one open session as its owner knows it.
type person struct {
	id, tenant string
	parent     *person
	children   int
	counted    []token.Token // its units that the account of pools has
	tokens     []token.Token
	fences     []uint64      // to write with, by token
	asked      []token.Token // of the request that waits
	waits      bool
	deadline   time.Time
	fence      uint64
	alive      bool
}

// write is on its way to the store and may come late.
type write struct {
	key   string
	fence uint64
	by    *person
}

func newWorld(seed uint64, round int) *world {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	w := &world{r: r, now: time.Unix(1_000_000, 0), people: map[string]*person{}, used: map[string]int64{}, written: map[string]uint64{}}
	for _, t := range texts {
		parsed, err := token.Parse(t)
		if err != nil {
			panic(err) // the list above is wrong
		}
		w.all = append(w.all, parsed)
	}
	for i := range 6 + r.IntN(24) {
		w.ids = append(w.ids, fmt.Sprint("s", i))
	}
	w.restart()
	return w
}

// restart is a crash of quiltd: every holder goes with it, the epoch rises, and
// writes that were on their way still come.
func (w *world) restart() {
	w.epoch++
	w.s = scheduler.New(scheduler.Config{
		Pools: pools, Epoch: w.epoch, Tenants: map[string]scheduler.Tenant{"acme": {Weight: 3, Pools: map[string]int64{"slot": 3}}},
	})
	for _, p := range w.people {
		p.alive = false
	}
	clear(w.people)
	clear(w.used)
}

func (w *world) run() error {
	for w.grants < roundGrants {
		w.steps++
		if err := w.step(); err != nil {
			return err
		}
		if w.steps%16 == 0 {
			if err := w.s.Check(); err != nil {
				return err
			}
		}
	}
	return w.finish()
}

func (w *world) step() error {
	p := w.people[w.ids[w.r.IntN(len(w.ids))]]
	switch n := w.r.IntN(1000); {
	case n < 500 || p == nil:
		return w.submit(w.ids[w.r.IntN(len(w.ids))])
	case n < 800:
		return w.close(p)
	case n < 850:
		return w.give(p)
	case n < 880:
		if p.waits {
			w.cancels++
		}
		return w.follow(w.s.Cancel(w.now, p.id))
	case n < 900:
		w.crashes++
		w.send(p) // its last write is on its way
		return w.close(p)
	case n < 930:
		w.send(p)
		return nil
	case n < 960:
		return w.land()
	case n == 999 && w.r.IntN(10) == 0:
		w.restarts++
		w.restart()
		return nil
	case n > 995:
		w.jumps++
		return w.tick(time.Duration(w.r.IntN(120)-60) * time.Second)
	}
	return w.tick(time.Duration(w.r.IntN(200)) * time.Millisecond)
}

// tick: the clock the scheduler sees never stands before one it saw already.
func (w *world) tick(d time.Duration) error {
	effects := w.s.Tick(w.now.Add(d))
	w.now = w.now.Add(max(d, 0))
	return w.follow(effects)
}

func (w *world) submit(id string) error {
	p := w.people[id]
	if p == nil {
		p = &person{id: id, tenant: tenants[w.r.IntN(len(tenants))], alive: true}
	}
	w.list = nil
	for range 1 + w.r.IntN(3) {
		w.list = append(w.list, w.all[w.r.IntN(len(w.all))])
	}
	r := scheduler.Request{
		Session: id, Tenant: p.tenant, Class: scheduler.Class(w.r.IntN(4)), Cost: w.r.Int64N(10), Tokens: w.list, Preemptible: w.r.IntN(4) == 0,
	}
	if w.r.IntN(4) == 0 {
		r.Deadline = w.now.Add(time.Duration(w.r.IntN(3000)) * time.Millisecond)
	}
	var up *person
	if w.people[id] == nil && w.r.IntN(5) == 0 {
		if up = w.people[w.ids[w.r.IntN(len(w.ids))]]; up != nil {
			r.Parent = up.id
		}
	}
	if p.waits {
		return w.refusedAtOnce(w.s.Submit(w.now, r), scheduler.Busy)
	}
	if up != nil && up.tenant != p.tenant {
		return w.refusedAtOnce(w.s.Submit(w.now, r), scheduler.Orphan)
	}
	if w.people[id] == nil {
		w.people[id] = p
		if up != nil {
			p.parent = up
			up.children++
		}
	}
	p.waits, p.asked, p.deadline = true, w.list, r.Deadline
	return w.follow(w.s.Submit(w.now, r))
}

// close ends a session, and those it waits for.
func (w *world) close(p *person) error {
	effects := w.s.Close(w.now, p.id)
	w.gone(p)
	return w.follow(effects)
}

func (w *world) gone(p *person) {
	for _, c := range w.people {
		if c.parent == p {
			w.gone(c)
		}
	}
	w.uncount(p, p.tokens)
	if p.parent != nil {
		p.parent.children--
	}
	p.alive = false
	delete(w.people, p.id)
}

// give gives one token back.
func (w *world) give(p *person) error {
	if len(p.tokens) == 0 || p.children > 0 {
		return nil
	}
	i := w.r.IntN(len(p.tokens))
	t := p.tokens[i]
	p.tokens = append(p.tokens[:i:i], p.tokens[i+1:]...)
	p.fences = append(p.fences[:i:i], p.fences[i+1:]...)
	w.uncount(p, []token.Token{t})
	effects, ok := w.s.Release(w.now, p.id, t)
	if !ok {
		return fmt.Errorf("%s holds %s and cannot give it back", p.id, t)
	}
	return w.follow(effects)
}

// finish closes whoever runs until nobody is left (I7, I11), then looks whether
// anything is (I12).
func (w *world) finish() error {
	for len(w.people) > 0 {
		var runs *person
		for _, id := range w.ids {
			if p := w.people[id]; p != nil && !p.waits && p.children == 0 {
				runs = p
				break
			}
		}
		if runs == nil {
			return fmt.Errorf("%d sessions and none runs: a deadlock nobody found", len(w.people))
		}
		if err := w.close(runs); err != nil {
			return err
		}
		if err := w.s.Check(); err != nil {
			return err
		}
	}
	if n := len(w.s.Leases()) + len(w.s.Waits()); n > 0 {
		return fmt.Errorf("%d leases and waits are left", n)
	}
	return nil
}
