// Package telemetry makes of the events of runs what monitoring systems take:
// counters in Prometheus' sense, and OpenTelemetry spans with the GenAI names,
// sent by OTLP over HTTP where an operator wants them.
//
// It hears of events once they are on disk and holds nothing up: what it cannot
// send in time it drops and counts. Nothing that units were given, said or gave
// back is in any of it, and no message of an error, for those quote inputs.
package telemetry

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/task"
)

// Figure is one number; Family is the histogram that it is part of, if any.
type Figure struct {
	Name, Help, Family string
	Labels             map[string]string
	Value              float64
}

// Counters count what happened since ariad started. It is safe for use by many
// goroutines.
type Counters struct {
	mu     sync.Mutex
	sums   map[string]*Figure // by name and labels
	starts map[string]*histogram
	models map[task.ID]string
}

// histogram of seconds.
type histogram struct {
	counts []uint64
	sum    float64
	count  uint64
}

// bounds of the buckets of container starts, in seconds.
var bounds = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5}

var help = map[string]string{
	"aria_runs_started_total":      "Runs that were accepted.",
	"aria_runs_ended_total":        "Runs that ended.",
	"aria_steps_total":             "Steps of pipelines.",
	"aria_model_turns_total":       "Answers of models to agents, and through the gateway to clients in the code of units.",
	"aria_model_tokens_total":      "Tokens of those.",
	"aria_model_usd_total":         "Dollars of those, where the price is known.",
	"aria_tool_calls_total":        "Calls of tools by agents.",
	"aria_waits_total":             "Times that a run waited for a person or a moment.",
	"aria_retries_total":           "Attempts that failed and were made again.",
	"aria_resumed_total":           "Times that a run was taken up again.",
	"aria_container_start_seconds": "From the grant of tokens until a container was up.",
}

// NewCounters makes them.
func NewCounters() *Counters {
	return &Counters{sums: map[string]*Figure{}, starts: map[string]*histogram{}, models: map[task.ID]string{}}
}

// data is what of an event counts.
type data struct {
	State, Model, Start, For, Step string
	TookUS                         float64 `json:"took_us"`
	Error                          json.RawMessage
	Usage                          struct {
		InputTokens, OutputTokens int64
		USD                       float64
	}
}

// read takes an event apart; a step of an agent is a number and counts nothing.
func read(e task.Told) (d data) {
	if json.Unmarshal(e.Data, &d) != nil {
		var loose map[string]json.RawMessage
		if json.Unmarshal(e.Data, &loose) != nil {
			return d
		}
		delete(loose, "step")
		if raw, err := json.Marshal(loose); err == nil {
			_ = json.Unmarshal(raw, &d) // what does not fit counts nothing
		}
	}
	return d
}

// Event counts one.
func (c *Counters) Event(e task.Told) {
	d := read(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Event.Kind {
	case "accepted":
		c.add("aria_runs_started_total", 1, "kind", e.Kind)
	case "ended":
		c.add("aria_runs_ended_total", 1, "kind", e.Kind, "state", d.State)
		delete(c.models, e.Run)
	case "started":
		if d.Model != "" {
			c.models[e.Run] = d.Model
		}
		if d.Start != "" {
			c.started(d.Start, d.TookUS/1e6)
		}
	case "step.done", "step.failed", "step.skipped", "step.undone":
		c.add("aria_steps_total", 1, "outcome", strings.TrimPrefix(e.Event.Kind, "step."))
	case "model.reply", task.KindSpent:
		model := c.models[e.Run]
		if e.Event.Kind == task.KindSpent {
			model = d.Model
		}
		c.add("aria_model_turns_total", 1, "model", model)
		c.add("aria_model_tokens_total", float64(d.Usage.InputTokens), "model", model, "direction", "in")
		c.add("aria_model_tokens_total", float64(d.Usage.OutputTokens), "model", model, "direction", "out")
		c.add("aria_model_usd_total", d.Usage.USD, "model", model)
	case "tool.result":
		outcome := "done"
		if len(d.Error) > 0 {
			outcome = "failed"
		}
		c.add("aria_tool_calls_total", 1, "outcome", outcome)
	case "waiting":
		c.add("aria_waits_total", 1, "for", d.For)
	case "retry":
		c.add("aria_retries_total", 1)
	case "resumed":
		c.add("aria_resumed_total", 1)
	}
}

// add adds to a counter; labels are pairs. c.mu is held.
func (c *Counters) add(name string, n float64, labels ...string) {
	key := name + "\x00" + strings.Join(labels, "\x00")
	f := c.sums[key]
	if f == nil {
		of := map[string]string{}
		for i := 0; i+1 < len(labels); i += 2 {
			of[labels[i]] = labels[i+1]
		}
		f = &Figure{Name: name, Help: help[name], Labels: of}
		c.sums[key] = f
	}
	f.Value += n
}

func (c *Counters) started(how string, seconds float64) {
	h := c.starts[how]
	if h == nil {
		h = &histogram{counts: make([]uint64, len(bounds))}
		c.starts[how] = h
	}
	for i, b := range bounds {
		if seconds <= b {
			h.counts[i]++
		}
	}
	h.sum += seconds
	h.count++
}

// Figures are all of them, in a fixed order.
func (c *Counters) Figures() []Figure {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([]string, 0, len(c.sums))
	for k := range c.sums {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var out []Figure
	for _, k := range keys {
		out = append(out, *c.sums[k])
	}
	const name = "aria_container_start_seconds"
	for _, how := range []string{"cold", "forked", "pooled", "warm"} {
		h := c.starts[how]
		if h == nil {
			continue
		}
		for i, b := range bounds {
			out = append(out, Figure{name + "_bucket", help[name], name, map[string]string{"start": how, "le": fmt.Sprint(b)}, float64(h.counts[i])})
		}
		out = append(out, Figure{name + "_bucket", help[name], name, map[string]string{"start": how, "le": "+Inf"}, float64(h.count)},
			Figure{name + "_sum", help[name], name, map[string]string{"start": how}, h.sum},
			Figure{name + "_count", help[name], name, map[string]string{"start": how}, float64(h.count)})
	}
	return out
}
