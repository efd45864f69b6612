package telemetry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
)

// Bounds of what waits to be sent.
const (
	maxSpans  = 8192
	batch     = 512
	sendEvery = 2 * time.Second
	sendTime  = 10 * time.Second
)

// Traces makes spans of runs, steps and turns of models and sends them by OTLP
// over HTTP, as JSON (opentelemetry.io/docs/specs/otlp). A run is one trace with
// all that it called.
type Traces struct {
	url     string
	version string
	log     *slog.Logger
	client  *http.Client

	mu      sync.Mutex
	runs    map[task.ID]*openRun
	ready   []span
	dropped uint64
	sent    uint64
	wake    chan struct{}
}

// openRun is a run that goes on.
type openRun struct {
	trace string
	begun time.Time
	model string
	turn  time.Time            // when the one under way began
	steps map[string]time.Time // when those under way began
}

// NewTraces sends to the collector at base ("http://127.0.0.1:4318").
func NewTraces(base, version string, log *slog.Logger) *Traces {
	return &Traces{url: strings.TrimSuffix(base, "/") + "/v1/traces", version: version, log: log,
		client: &http.Client{Timeout: sendTime}, runs: map[task.ID]*openRun{}, wake: make(chan struct{}, 1)}
}

func id(text string, bytes int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:bytes])
}

// Event makes of it what it ends, if it ends anything.
func (t *Traces) Event(e task.Told) {
	d := read(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.run(e)
	switch e.Event.Kind {
	case "started":
		if d.Model != "" {
			r.model = d.Model
		}
	case "agent.turn":
		r.turn = e.Time
	case "model.reply":
		t.turned(e, r, d)
	case "step.started":
		r.steps[d.Step] = e.Time
	case "step.done", "step.failed":
		if from, ok := r.steps[d.Step]; ok {
			delete(r.steps, d.Step)
			s := t.span(e, r, "step "+d.Step, from, fmt.Sprintf("%s step %s", e.Run, d.Step), string(e.Run))
			s.set("aria.step", d.Step)
			s.fail(e.Event.Kind == "step.failed", code(d.Error))
			t.add(s)
		}
	case "ended":
		t.ended(e, r, d)
	}
}

// run finds a run, or opens one where an earlier process began it. t.mu is held.
func (t *Traces) run(e task.Told) *openRun {
	if r := t.runs[e.Run]; r != nil {
		return r
	}
	r := &openRun{trace: id(string(e.Run), 16), begun: e.Time, steps: map[string]time.Time{}}
	if p := t.runs[e.Parent]; e.Parent != "" && p != nil {
		r.trace = p.trace
	} else if e.Parent != "" {
		r.trace = id(string(e.Parent), 16)
	}
	t.runs[e.Run] = r
	return r
}

func (t *Traces) turned(e task.Told, r *openRun, d data) {
	var reply struct {
		Step int
		Stop string
	}
	_ = json.Unmarshal(e.Data, &reply) // what has neither has no turn
	from := r.turn
	if from.IsZero() {
		from = e.Time
	}
	provider, model, _ := strings.Cut(r.model, ":")
	s := t.span(e, r, "chat "+model, from, fmt.Sprintf("%s turn %d", e.Run, reply.Step), string(e.Run))
	s.Kind = kindClient
	s.set("gen_ai.operation.name", "chat")
	s.set("gen_ai.provider.name", provider)
	s.set("gen_ai.request.model", model)
	s.count("gen_ai.usage.input_tokens", d.Usage.InputTokens)
	s.count("gen_ai.usage.output_tokens", d.Usage.OutputTokens)
	s.list("gen_ai.response.finish_reasons", reply.Stop)
	t.add(s)
}

func (t *Traces) ended(e task.Told, r *openRun, d data) {
	delete(t.runs, e.Run)
	name, parent := e.Kind+" "+e.Unit, ""
	if e.Parent != "" {
		parent = string(e.Parent)
	}
	operation := ""
	switch {
	case e.Kind == "agent" || e.Kind == "team":
		name, operation = "invoke_agent "+e.Unit, "invoke_agent"
	case e.Kind == "tool":
		name, operation = "execute_tool "+e.Unit, "execute_tool"
	}
	s := t.span(e, r, name, r.begun, string(e.Run), parent)
	if operation != "" {
		s.set("gen_ai.operation.name", operation)
	}
	switch operation {
	case "invoke_agent":
		s.set("gen_ai.agent.name", e.Unit)
		s.set("gen_ai.agent.id", e.Unit)
		if r.model != "" {
			provider, model, _ := strings.Cut(r.model, ":")
			s.set("gen_ai.provider.name", provider)
			s.set("gen_ai.request.model", model)
		}
		s.count("gen_ai.usage.input_tokens", d.Usage.InputTokens)
		s.count("gen_ai.usage.output_tokens", d.Usage.OutputTokens)
	case "execute_tool":
		s.set("gen_ai.tool.name", e.Unit)
		s.set("gen_ai.tool.type", "function")
	}
	s.set("aria.run.state", d.State)
	s.fail(d.State == "failed", code(d.Error))
	t.add(s)
}

// code of an error in an event: a word, or an object that has one.
func code(raw json.RawMessage) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word
	}
	var o struct{ Code string }
	_ = json.Unmarshal(raw, &o)
	return o.Code
}

func (t *Traces) span(e task.Told, r *openRun, name string, from time.Time, self, parent string) span {
	s := span{Trace: r.trace, ID: id(self, 8), Name: name, Kind: kindInternal,
		Start: strconv.FormatInt(from.UnixNano(), 10), End: strconv.FormatInt(e.Time.UnixNano(), 10)}
	if parent != "" {
		s.Parent = id(parent, 8)
	}
	s.set("aria.run.id", string(e.Run))
	s.set("aria.unit", e.Unit)
	return s
}

// add queues a span. t.mu is held.
func (t *Traces) add(s span) {
	if len(t.ready) >= maxSpans {
		t.dropped++
		return
	}
	t.ready = append(t.ready, s)
	if len(t.ready) >= batch {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Run sends until ctx ends, and then what is left.
func (t *Traces) Run(ctx context.Context) {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.wake:
		case <-tick.C:
		case <-ctx.Done():
			t.send(context.WithoutCancel(ctx))
			return
		}
		t.send(ctx)
	}
}

// send tries each batch once: a collector that is down must cost nothing.
func (t *Traces) send(ctx context.Context) {
	for {
		t.mu.Lock()
		n := min(len(t.ready), batch)
		spans := t.ready[:n:n]
		t.ready = t.ready[n:]
		t.mu.Unlock()
		if n == 0 {
			return
		}
		err := t.post(ctx, spans)
		t.mu.Lock()
		if err != nil {
			t.dropped += uint64(n)
		} else {
			t.sent += uint64(n)
		}
		t.mu.Unlock()
		if err != nil {
			t.log.Warn("traces were not taken", "err", err, "spans", n)
			return
		}
	}
}

func (t *Traces) post(ctx context.Context, spans []span) error {
	body, err := json.Marshal(envelope(t.version, spans))
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.client.Do(req)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("traces: the collector answers %s", res.Status)
	}
	return nil
}

// Figures say how sending goes.
func (t *Traces) Figures() []Figure {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []Figure{
		{Name: "aria_spans_sent_total", Help: "Spans that the collector took.", Value: float64(t.sent)},
		{Name: "aria_spans_dropped_total", Help: "Spans that were not sent in time.", Value: float64(t.dropped)},
	}
}
