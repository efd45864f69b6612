package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Warm is a Machine that keeps containers parked which have loaded code already:
// of the code that was run last, one each. The top level of that code has then
// run, in a container that holds no token, no way out and no input, and whose
// harness ends it when the code looks for a clock, for chance or for anything
// outside (sdk/src/harness/ahead.ts). Such code is remembered as unfit and is
// loaded when its run begins, as without Warm. A claim is that of a Pool: one
// execution, then the container dies.
//
// All other starts, and those that find nothing loaded, go to the machine behind.
type Warm struct {
	inner Machine
	cfg   WarmConfig

	mu     sync.Mutex // guards the rest
	recent []*loaded  // the last used first; Max at most
	unfit  map[codeKey]bool
	calm   *time.Timer
	quiet  *time.Timer
	serial uint64
	closed bool

	workers sync.WaitGroup
}

// WarmConfig bounds a Warm.
type WarmConfig struct {
	Max   int     // codes, and so containers, at most
	Base  Machine // makes what is parked
	Fits  func(Spec) bool
	Room  func() int    // how many parked containers the memory has room for
	Boot  time.Duration // that loading may take
	Quiet time.Duration // without a start: let all go
	Log   *slog.Logger
}

// loadedBytes bounds what code may take while it is loaded for nobody.
const loadedBytes = 64 << 20

// unfitMost bounds what is remembered of code that is not fit.
const unfitMost = 4096

// codeKey is the identity of files and entry.
type codeKey [sha256.Size]byte

// loaded is one code and the container that waits with it.
type loaded struct {
	key    codeKey
	frame  []byte // tells the harness to load it
	one    *parkedOne
	making bool
	gone   bool // forgotten while it was being made
}

// NewWarm loads nothing until something was started.
func NewWarm(inner Machine, cfg WarmConfig) *Warm {
	w := &Warm{inner: inner, cfg: cfg, unfit: map[codeKey]bool{}}
	w.calm = time.AfterFunc(time.Hour, w.fill)
	w.quiet = time.AfterFunc(cfg.Quiet, w.drain)
	return w
}

func (w *Warm) Isolation() string { return w.inner.Isolation() }
func (w *Warm) Image() string     { return w.inner.Image() }

// Start claims a container that has loaded the code of s, or passes s on.
func (w *Warm) Start(ctx context.Context, s Spec) (*Container, error) {
	one := w.take(s)
	if one == nil {
		return w.inner.Start(ctx, s)
	}
	one.forget()
	err := one.c.Claim(ctx, s)
	if err == nil {
		one.c.Start, one.c.Loaded = "warm", true
		return one.c, nil
	}
	w.cfg.Log.Warn("parked container not claimed", "execution", s.ID, "err", err)
	scrap(one, w.cfg.Log)
	return w.inner.Start(ctx, s)
}

// take notes that the code of s is in use, and hands out what waits with it.
func (w *Warm) take(s Spec) *parkedOne {
	if s.Net || len(s.Files) == 0 || !w.cfg.Fits(s) {
		return nil
	}
	key := keyOf(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.unfit[key] {
		return nil
	}
	w.quiet.Reset(w.cfg.Quiet)
	w.calm.Reset(2 * calmTime)
	at := slices.IndexFunc(w.recent, func(l *loaded) bool { return l.key == key })
	if at < 0 {
		frame, err := broker.LoadFrame(s.Files, s.Entry)
		if err != nil {
			return nil
		}
		w.recent = append([]*loaded{{key: key, frame: frame}}, w.recent...)
		return nil
	}
	l := w.recent[at]
	w.recent = append([]*loaded{l}, slices.Delete(w.recent, at, at+1)...)
	one := l.one
	l.one = nil
	return one
}

func keyOf(s Spec) (key codeKey) {
	h := sha256.New()
	for _, f := range s.Files {
		fmt.Fprintf(h, "%d %s %d\n", len(f.Path), f.Path, len(f.Content))
		io.WriteString(h, f.Content)
	}
	io.WriteString(h, s.Entry)
	h.Sum(key[:0])
	return key
}

// fill loads what is missing and forgets what is too much.
func (w *Warm) fill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	keep := min(w.cfg.Max, max(0, w.cfg.Room()))
	for _, l := range w.recent[min(keep, len(w.recent)):] {
		w.drop(l)
	}
	w.recent = w.recent[:min(keep, len(w.recent))]
	for _, l := range w.recent {
		if l.one == nil && !l.making {
			l.making = true
			w.serial++
			id := fmt.Sprint("loaded-", w.serial)
			w.workers.Go(func() { w.load(id, l) })
		}
	}
}

// drop lets what waits with l go. The caller holds mu.
func (w *Warm) drop(l *loaded) {
	l.gone = true
	if one := l.one; one != nil {
		l.one = nil
		w.workers.Go(func() { scrap(one, w.cfg.Log) })
	}
}

// load parks one container with l.
func (w *Warm) load(id string, l *loaded) {
	c, err := w.cfg.Base.Start(context.Background(), Spec{ID: id, Parked: true, Loads: true, MemoryBytes: loadedBytes})
	if err != nil {
		w.cfg.Log.Warn("no container parked", "err", err)
		w.mu.Lock()
		l.making = false
		w.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &parkedOne{c: c, forget: cancel}
	boot, stop := context.WithTimeout(ctx, w.cfg.Boot)
	defer stop()
	if _, err = c.Control.Write(l.frame); err == nil {
		err = c.Booted(boot)
	}
	w.mu.Lock()
	l.making = false
	if err == nil && !w.closed && !l.gone {
		l.one = one
		w.workers.Go(func() { w.watch(ctx, l, one) })
		w.mu.Unlock()
		return
	}
	if err != nil {
		w.refuse(l)
	}
	w.mu.Unlock()
	scrap(one, w.cfg.Log)
}

// refuse remembers that l is not fit. The caller holds mu.
func (w *Warm) refuse(l *loaded) {
	if len(w.unfit) >= unfitMost {
		clear(w.unfit)
	}
	w.unfit[l.key] = true
	w.recent = slices.DeleteFunc(w.recent, func(o *loaded) bool { return o == l })
	w.cfg.Log.Info("code is not loaded before its run: its top level looks for what only a run has, or takes too long")
}

// watch removes a parked container that ends by itself.
func (w *Warm) watch(ctx context.Context, l *loaded, one *parkedOne) {
	if _, err := one.c.Wait(ctx); errors.Is(err, context.Canceled) {
		return
	}
	w.mu.Lock()
	if l.one == one {
		l.one = nil
		w.refuse(l)
	}
	w.mu.Unlock()
	closeAll(one.c)
}

// drain lets all go, and forgets what was used last.
func (w *Warm) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.recent {
		w.drop(l)
	}
	w.recent = nil
}

// Parked is how many wait to be claimed.
func (w *Warm) Parked() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.recent {
		if l.one != nil {
			n++
		}
	}
	return n
}

// Close loads no more and returns when nothing parked is left. It may be called
// again.
func (w *Warm) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.calm.Stop()
	w.quiet.Stop()
	w.drain()
	w.workers.Wait()
}
