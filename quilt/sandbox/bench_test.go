package sandbox

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// BenchmarkStart runs `bun -e 0` bare and in a container, in turn, so that
// foreign load hits both. It reports medians and tenth percentiles.
func BenchmarkStart(b *testing.B) {
	c := sharedClient(b)
	bun := testenv.Bun(b)
	var bare, cold, launch []float64
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	for range 3 {
		_ = exec.Command(bun, "-e", "0").Run() // warm the page cache
	}
	for b.Loop() {
		t := time.Now()
		if err := exec.Command(bun, "-e", "0").Run(); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, ms(time.Since(t)))
		p, err := NewPlan(Spec{ID: nextID(), Argv: []string{"/bin/bun", "-e", "0"}}, c.Hello())
		if err != nil {
			b.Fatal(err)
		}
		t = time.Now()
		k, err := c.Start(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		launch = append(launch, ms(time.Since(t)))
		e, err := k.Wait(b.Context())
		cold = append(cold, ms(time.Since(t)))
		k.Close()
		if err != nil || e.Code != 0 {
			b.Fatalf("%+v, %v", e, err)
		}
	}
	at := func(v []float64, q float64) float64 { slices.Sort(v); return v[int(q*float64(len(v)-1))] }
	b.ReportMetric(at(bare, .5), "bare-p50-ms")
	b.ReportMetric(at(bare, .1), "bare-p10-ms")
	b.ReportMetric(at(cold, .5), "cold-p50-ms")
	b.ReportMetric(at(cold, .1), "cold-p10-ms")
	b.ReportMetric(at(launch, .5), "launch-p50-ms")
	b.ReportMetric(at(cold, .5)/at(bare, .5), "ratio-p50")
	b.ReportMetric(at(cold, .1)/at(bare, .1), "ratio-p10")
}
