package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

func BenchmarkGrantClose1(b *testing.B) {
	benchGrant(b, tokens(b, "kv:orders:rw"))
}

func BenchmarkGrantClose4(b *testing.B) {
	benchGrant(b, tokens(b, "kv:orders:rw", "vector:docs:r", "net:api.example.com:443", "llm:openai:gpt4"))
}

func benchGrant(b *testing.B, list []token.Token) {
	s := New(Config{Pools: map[string]int64{"llm/openai/gpt4": 1 << 40}})
	r := Request{Session: "x", Class: Normal, Tokens: list}
	b.ReportAllocs()
	for b.Loop() {
		s.Submit(t0, r)
		s.Close(t0, "x")
	}
}

// BenchmarkQueue100k: 100,000 sessions wait for one writer; each close hands on.
func BenchmarkQueue100k(b *testing.B) {
	const n = 100_000
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("s", i)
	}
	for _, verb := range []string{"rw", "r"} {
		b.Run(verb, func(b *testing.B) {
			for b.Loop() {
				s := New(Config{MaxWaiting: n, MaxHeld: 4 * n})
				s.Submit(t0, Request{Session: "holder", Class: Normal, Tokens: tokens(b, "kv:hot:rw")})
				list := tokens(b, "kv:hot:"+verb, "kv:other:s")
				start := time.Now()
				for _, id := range ids {
					s.Submit(t0, Request{Session: id, Class: Normal, Tokens: list})
				}
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/enqueue")
				start = time.Now()
				s.Close(t0, "holder")
				b.ReportMetric(float64(time.Since(start).Microseconds()), "µs/first-handoff")
				start = time.Now()
				for _, id := range ids {
					s.Close(t0, id)
				}
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/close")
			}
		})
	}
}

// BenchmarkDeadlock: the request that closes a ring of n sessions.
func BenchmarkDeadlock(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := New(Config{MaxWaiting: n + 1, MaxHeld: 4 * n})
			locks := make([][]token.Token, n)
			for i := range locks {
				locks[i] = tokens(b, fmt.Sprintf("lock:k%d", i))
				s.Submit(t0, Request{Session: fmt.Sprint(i), Class: Normal, Cost: int64(n - i), Tokens: locks[i]})
			}
			for i := range n - 1 {
				s.Submit(t0, Request{Session: fmt.Sprint(i), Class: Normal, Cost: int64(n - i), Tokens: locks[i+1]})
			}
			last := Request{Session: fmt.Sprint(n - 1), Class: Batch, Tokens: locks[0]}
			for b.Loop() {
				s.sessions[last.Session].defeats = 0 // or it becomes immune
				out := s.Submit(t0, last)
				if r, ok := out[0].(Refused); !ok || r.Reason != Deadlock || len(r.Cycle) != n {
					b.Fatalf("%d effects, first %T", len(out), out[0])
				}
			}
		})
	}
}
