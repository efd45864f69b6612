package engine

import (
	"io"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// pumps read a container's stdout and stderr into its log.
type pumps struct {
	all     sync.WaitGroup
	streams map[string]io.ReadCloser

	mu   sync.Mutex
	rest map[string][]byte // beginnings of lines
}

func startPumps(log *broker.Log, c *Container, begun map[string][]byte) *pumps {
	p := &pumps{streams: map[string]io.ReadCloser{"stdout": c.Stdout, "stderr": c.Stderr}, rest: map[string][]byte{}}
	for level, r := range p.streams {
		p.all.Go(func() {
			rest := log.Pump(level, r, begun[level])
			p.mu.Lock()
			defer p.mu.Unlock()
			p.rest[level] = rest
		})
	}
	return p
}

// wait returns when both have ended.
func (p *pumps) wait() {
	p.all.Wait()
	for _, r := range p.streams {
		r.Close()
	}
}

// cut stops both where they are. The streams stay open.
func (p *pumps) cut() (begun map[string][]byte) {
	deadline := func(at time.Time) {
		for _, r := range p.streams {
			if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
				_ = d.SetReadDeadline(at)
			}
		}
	}
	deadline(time.Now())
	p.all.Wait()
	deadline(time.Time{})
	return p.rest
}
