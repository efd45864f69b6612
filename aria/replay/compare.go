package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
)

// The world's own events: who waited for whom, and what a provider or a daemon
// was like that day. A replay has none of them.
var worlds = []string{"accepted", "queued", "resumed", "waiting", "answered", "model.retry", "model.fallback", "model.spent", "tools.found", "forked", "stopped", "ended"}

// Volatile are the fields of events that tell how long something took or where
// it ran, and nothing of what happened. Dollars follow from a price list.
var volatile = map[string]bool{"took_us": true, "waited_us": true, "tookMs": true, "start": true, "lease": true, "fence": true,
	"isolation": true, "image": true, "usd": true}

// expected is a recorded event that must come again.
type expected struct {
	seq  uint64
	kind string
	lane string
	text string // its data without what is volatile, in one form
	used bool
}

// expect lists what of a run's events must come again, up to a moment.
func expect(run *task.RecordedRun, within func(int64) bool) (out []*expected, resumed bool) {
	seen := map[string]bool{}
	for _, e := range run.Events {
		if e.Kind == "resumed" {
			resumed = true
		}
		if slices.Contains(worlds, e.Kind) || !within(e.Time) {
			continue
		}
		x := &expected{seq: e.Seq, kind: e.Kind, lane: lane(run, e.Kind, e.Data), text: canonical(e.Data)}
		// A run that was taken up or that waited tells again that it starts.
		if e.Kind == "started" || e.Kind == "step.started" {
			if seen[e.Kind+x.text] && x.lane != scattered {
				continue
			}
			seen[e.Kind+x.text] = true
		}
		out = append(out, x)
	}
	return out, resumed
}

// scattered is the lane of events that pieces of one run tell side by side, in
// any order.
const scattered = "pieces"

// lane is the order that an event belongs to: what goes on side by side has
// lanes of its own.
func lane(run *task.RecordedRun, kind string, data json.RawMessage) string {
	var at struct{ Step, Call any }
	_ = json.Unmarshal(data, &at) // what has neither is in the main lane
	switch {
	case strings.HasPrefix(kind, "step."):
		return fmt.Sprint("step ", at.Step)
	case kind != "started" && at.Call != nil:
		return fmt.Sprint("call ", at.Call)
	case pieces(run) && (kind == "log" || kind == "started" || kind == "retry"):
		return scattered
	case kind == "log":
		var l struct{ Level string }
		_ = json.Unmarshal(data, &l)
		if l.Level == "stdout" || l.Level == "stderr" {
			return l.Level // pipes of their own
		}
		return "log"
	}
	return "main"
}

// pieces: the run's code is of pieces that may run side by side: the steps of a
// pipeline, the programs that a model wrote.
func pieces(run *task.RecordedRun) bool {
	return slices.ContainsFunc(run.Events, func(e task.RecordedEvent) bool {
		return strings.HasPrefix(e.Kind, "step.") || e.Kind == "started" && (run.Kind == bundle.Agent || run.Kind == bundle.Team) && bytes.Contains(e.Data, []byte(`"took_us"`))
	})
}

// canonical is a JSON value without volatile fields, keys in order.
func canonical(raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(strip(v, 0)) != nil {
		return string(raw)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// strip takes volatile fields off an event and off the objects right in it that
// count usage; what user code wrote stays whole.
func strip(v any, depth int) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, sub := range m {
		switch {
		case volatile[k]:
			delete(m, k)
		case depth == 0 && (k == "usage" || k == "spent"):
			m[k] = strip(sub, 1)
		}
	}
	return m
}

// span is a duration in a sentence: how long something took that day.
var span = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)\b`)

// same compares two JSON values.
func same(a, b json.RawMessage) bool { return whole(a) == whole(b) }

func whole(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(out)
}

// shown is how much of a value a report holds.
const shown = 2000

func clip(s string) string {
	if len(s) <= shown {
		return s
	}
	s = s[:shown]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
