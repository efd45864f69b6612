// Command bench-vector measures searches among 100,000 vectors of 384 numbers
// through the broker's operation, side by side with a comparison of every vector
// and with sqlite-vec, in one run over the same data. The vectors lie in 500
// clusters, as texts do that are about 500 things.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/quilt/vector"
	"github.com/ariacomputecompany/firmware/token"
)

const (
	dims      = 384
	questions = 200
	answers   = 10
	gateP50   = 2.0 // ms
	gateHits  = 0.98
)

func main() {
	n := flag.Int("n", 100_000, "vectors")
	flag.Parse()
	if err := run(*n); err != nil {
		fmt.Fprintln(os.Stderr, "bench-vector:", err)
		os.Exit(1)
	}
}

// figures of one engine.
type figures struct {
	name     string
	fill     time.Duration
	first    time.Duration // the first question, which makes the index
	p50, p99 float64       // ms
	recall   float64
}

func run(n int) error {
	dir, err := os.MkdirTemp(".", ".bench-vector-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	docs, asks := generate(n, questions)
	truth := make([][]int, len(asks))
	brute := figures{name: "every vector compared (Go)"}
	var times []float64
	for i, q := range asks {
		began := time.Now()
		truth[i] = compareAll(docs, q)
		times = append(times, ms(time.Since(began)))
	}
	brute.p50, brute.p99, brute.recall = quantile(times, 0.5), quantile(times, 0.99), 1
	ours, err := measureOurs(filepath.Join(dir, "ours"), docs, asks, truth)
	if err != nil {
		return err
	}
	all := []figures{ours, brute}
	for _, kind := range []string{"float", "bit"} {
		f, err := measureSQLiteVec(filepath.Join(dir, kind), kind, docs, asks, truth)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	fmt.Printf("%-30s %10s %10s %9s %9s %8s\n", fmt.Sprintf("%d x %d, %d answers", n, dims, answers), "fill", "first", "p50 ms", "p99 ms", "recall")
	for _, f := range all {
		fmt.Printf("%-30s %10s %10s %9.2f %9.2f %8.3f\n", f.name, f.fill.Round(time.Millisecond), f.first.Round(time.Millisecond), f.p50, f.p99, f.recall)
	}
	fmt.Printf("bench-vector: recall %.3f (at least %.2f), p50 %.2f ms (at most %.0f)\n", ours.recall, gateHits, ours.p50, gateP50)
	if ours.recall < gateHits || ours.p50 > gateP50 {
		os.Exit(1)
	}
	return nil
}

func measureOurs(dir string, docs, asks [][]float32, truth [][]int) (figures, error) {
	f := figures{name: "quilt/vector"}
	log := slog.New(slog.DiscardHandler)
	data, err := store.Open(dir, log)
	if err != nil {
		return f, err
	}
	defer data.Close()
	service, err := vector.New(data, filepath.Join(dir, "scratch"), nil, log)
	if err != nil {
		return f, err
	}
	set, err := token.ParseSet([]string{"vector:docs:rw"})
	if err != nil {
		return f, err
	}
	grant := broker.Grant{Tokens: set, Fence: data.FirstFence() + 1}
	ask := func(op string, args any) (any, error) {
		raw, err := json.Marshal(args)
		if err != nil {
			return nil, err
		}
		return service.Ops[op](context.Background(), broker.Call{Execution: "bench", Grant: grant, Args: raw})
	}
	began := time.Now()
	for at := 0; at < len(docs); at += 500 {
		var items []map[string]any
		for i := at; i < min(at+500, len(docs)); i++ {
			items = append(items, map[string]any{"id": fmt.Sprint(i), "v": raw(docs[i]), "meta": map[string]int{"third": i % 3}})
		}
		if _, err := ask("vector.upsert", map[string]any{"ns": "docs", "items": items}); err != nil {
			return f, err
		}
	}
	f.fill = time.Since(began)
	var times []float64
	for i := -1; i < len(asks); i++ {
		q := asks[max(i, 0)]
		began := time.Now()
		got, err := ask("vector.query", map[string]any{"ns": "docs", "v": raw(q), "k": answers})
		took := time.Since(began)
		if err != nil {
			return f, err
		}
		if i < 0 { // and the index measures itself for a moment
			f.first = took
			time.Sleep(3 * time.Second)
			continue
		}
		times = append(times, ms(took))
		f.recall += overlap(got, truth[i]) / float64(len(asks))
	}
	f.p50, f.p99 = quantile(times, 0.5), quantile(times, 0.99)
	return f, nil
}

// overlap is the part of the true answers that came.
func overlap(got any, truth []int) float64 {
	text, err := json.Marshal(got)
	if err != nil {
		return 0
	}
	var page struct {
		Hits []struct {
			ID int `json:"id,string"`
		} `json:"hits"`
	}
	if json.Unmarshal(text, &page) != nil {
		return 0
	}
	n := 0
	for _, h := range page.Hits {
		if slices.Contains(truth, h.ID) {
			n++
		}
	}
	return float64(n) / float64(len(truth))
}

func raw(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func quantile(times []float64, q float64) float64 {
	s := slices.Clone(times)
	slices.Sort(s)
	return s[min(len(s)-1, int(float64(len(s))*q))]
}
