package daemon

import (
	"strings"
	"testing"
	"time"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// TestStop: whom a gentle kill reaches, and that nothing else waits for a grace.
func TestStop(t *testing.T) {
	p := startPair(t, dataDir(t))
	long := int64(30_000)
	graceful := func(id, body string) *quiltv1.ExecuteRequest {
		return &quiltv1.ExecuteRequest{Execution: id, Tokens: []string{"kv:" + id + ":rw"}, Code: unit(body), Limits: &quiltv1.Limits{GraceMs: &long}}
	}
	const deaf = `host.stop(); console.log('up'); await new Promise(r => setTimeout(r, 60000))`
	for _, c := range []struct {
		shows   string
		req     *quiltv1.ExecuteRequest
		kill    []bool // gentle?
		stopped string
		says    string
	}{
		{"a unit that listens ends by itself", graceful("listens",
			`const s = host.stop(); console.log('up'); const t = setTimeout(() => {}, 60000); await new Promise(r => s.addEventListener('abort', r)); clearTimeout(t); return 'unwanted'`),
			[]bool{true}, "itself", "enough"},
		{"one that has not asked and waits for nothing of ours ends at once", graceful("ignorant", `console.log('up'); await new Promise(r => setTimeout(r, 60000))`),
			[]bool{true}, "itself", "enough"},
		{"a second kill ends the grace", graceful("deaf", deaf), []bool{true, false}, "killed", "enough"},
		{"one that is not gentle tells nobody", graceful("unasked", deaf), []bool{false}, "", "enough"},
	} {
		t.Run(c.shows, func(t *testing.T) {
			got := make(chan ran, 1)
			up := make(chan struct{}, 1)
			go func() {
				r, _ := p.watch(t.Context(), c.req, func(m *quiltv1.ExecuteResponse) {
					if m.GetLog().GetText() == "up" {
						up <- struct{}{}
					}
				})
				got <- r
			}()
			select {
			case <-up:
			case r := <-got:
				t.Fatalf("it never ran: %v", r.ended)
			}
			began := time.Now()
			for _, gentle := range c.kill {
				if k, err := p.Kill(t.Context(), &quiltv1.KillRequest{Execution: c.req.Execution, Reason: "enough", Gentle: gentle}); err != nil || !k.Found {
					t.Fatal(k, err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			r := <-got
			if e := r.ended; e.GetReason() != "killed" || e.Stopped != c.stopped || !strings.Contains(e.Error.GetMessage(), c.says) || r.result != "" {
				t.Errorf("ended %v with %s", e, r.result)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
