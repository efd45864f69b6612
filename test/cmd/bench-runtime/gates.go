package main

import (
	"fmt"
	"strings"
	"time"
)

// gates are what a release must reach on two idle cores: what was reached when they
// were set (a step 22 ms, 71 steps a second, 1,000 open runs taken up in 294 ms and
// 10,000 in 880 ms), and a third to a half more for the noise of a machine.
type gates struct {
	step   time.Duration // of a pipeline, its container included, at most
	rate   float64       // steps a second with eight callers, at least
	all    time.Duration // to take up no open run and then some: the fixed part
	per    time.Duration // and what each thousand open runs may take beside it
	missed []string
}

func usualGates() *gates {
	return &gates{step: 30 * time.Millisecond, rate: 50, all: 350 * time.Millisecond, per: 100 * time.Millisecond}
}

func (g *gates) steps(step time.Duration, rate float64) {
	if step > g.step {
		g.miss("a step takes %s, at most %s", step.Round(10*time.Microsecond), g.step)
	}
	if rate < g.rate {
		g.miss("%.0f steps/s, at least %.0f", rate, g.rate)
	}
}

func (g *gates) recovery(open int, took time.Duration) {
	most := g.all + g.per*time.Duration(open)/1000
	if took > most {
		g.miss("%d open runs are taken up after %s, at most %s", open, took.Round(time.Millisecond), most)
	}
}

func (g *gates) miss(format string, args ...any) {
	g.missed = append(g.missed, fmt.Sprintf(format, args...))
}

// verdict ends the last line.
func (g *gates) verdict() string {
	if len(g.missed) == 0 {
		return "gates hold"
	}
	return "MISSED: " + strings.Join(g.missed, "; ")
}
