package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

var epoch = time.Unix(1_000_000, 0)

func tokens(texts ...string) []token.Token {
	list, err := token.ParseSet(texts)
	if err != nil {
		panic(err) // the texts stand below
	}
	return list
}

// grantRelease is one whole session: open, grant, close.
func grantRelease(n int) float64 {
	list := tokens([]string{"kv:orders:rw", "vector:docs:r", "net:api.example.com:443", "llm:openai:gpt4"}[:n]...)
	s := scheduler.New(scheduler.Config{Pools: map[string]int64{"llm/openai/gpt4": 1 << 40}})
	r := scheduler.Request{Session: "x", Class: scheduler.Normal, Tokens: list}
	return best(50, 2000, func() {
		for range 2000 {
			s.Submit(epoch, r)
			s.Close(epoch, "x")
		}
	})
}

// waiters queues n writers behind one, and hands the token on. The ids and the
// list of tokens are the callers' and were there before.
func waiters(n int) (bytes, handoff float64) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("s", i)
	}
	list := tokens("kv:hot:rw", "kv:other:s")
	s := scheduler.New(scheduler.Config{MaxWaiting: n, MaxHeld: 2 * n})
	s.Submit(epoch, scheduler.Request{Session: "holder", Class: scheduler.Normal, Tokens: list})
	before := heap()
	for _, id := range ids {
		s.Submit(epoch, scheduler.Request{Session: id, Class: scheduler.Normal, Tokens: list})
	}
	bytes = float64(heap()-before) / float64(n)
	holder := "holder"
	times := make([]float64, 2000)
	for i := range times {
		began := time.Now()
		for _, e := range s.Close(epoch, holder) {
			if g, ok := e.(scheduler.Granted); ok {
				holder = g.Session
			}
		}
		times[i] = float64(time.Since(began).Nanoseconds()) / 1000
	}
	slices.Sort(times)
	runtime.KeepAlive(s)
	runtime.KeepAlive(ids)
	return bytes, times[len(times)/2]
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// deadlock is the request that closes a ring of n sessions, to its refusal.
func deadlock(n int) float64 {
	s := scheduler.New(scheduler.Config{MaxWaiting: n + 1, MaxHeld: 4 * n})
	locks := make([][]token.Token, n)
	for i := range locks {
		locks[i] = tokens(fmt.Sprintf("lock:k%d", i))
		s.Submit(epoch, ask(i, locks[i], n))
	}
	for i := range n - 1 {
		s.Submit(epoch, ask(i, locks[i+1], n))
	}
	last := ask(n-1, locks[0], n)
	last.Session, last.Cost = fmt.Sprint(n-1), 0
	return best(3, 1, func() {
		out := s.Submit(epoch, last)
		if r, ok := out[len(out)-1].(scheduler.Refused); !ok || r.Reason != scheduler.Deadlock || len(r.Cycle) != n {
			panic(fmt.Sprintf("a ring of %d was not found", n)) // the figure would be of something else
		}
	})
}

func ask(i int, list []token.Token, n int) scheduler.Request {
	return scheduler.Request{Session: fmt.Sprint(i), Class: scheduler.Normal, Cost: int64(n - i), Tokens: list}
}
