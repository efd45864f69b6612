package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

// follower prints the events of a run on stderr as they come.
func (a *app) follower(quiet bool) func(remote.Event) error {
	if quiet {
		return func(remote.Event) error { return nil }
	}
	if a.forMachines() {
		return func(e remote.Event) error { return writeJSON(a.err, e) }
	}
	p := &eventPrinter{w: a.err, paint: a.paint, brief: true}
	return p.print
}

// eventPrinter writes one line per event, with the time since the first.
type eventPrinter struct {
	w     io.Writer
	start time.Time
	paint func(text, colour string) string
	brief bool // leave out what is for the record only, or said again at the end
}

// forTheRecord are the fields that "arc logs" shows and "arc run" does not: the
// error of "ended" is printed below it.
var forTheRecord = []string{"bundle", "error", "fence", "image", "lease", "usage"}

func (p *eventPrinter) print(e remote.Event) error {
	if p.start.IsZero() {
		p.start = e.Time
	}
	at := fmt.Sprintf("%8.3fs", e.Time.Sub(p.start).Seconds())
	_, err := fmt.Fprintf(p.w, "%s  %-12s %s\n", p.paint(at, dim), clean(e.Kind), eventText(e, p.brief))
	if err != nil {
		return fmt.Errorf("print event: %w", err)
	}
	return nil
}

// eventText puts the data of an event on one line. A log entry reads as level,
// text, fields; everything else as key=value, sorted.
func eventText(e remote.Event, brief bool) string {
	var data map[string]json.RawMessage
	if json.Unmarshal(e.Data, &data) != nil {
		return clean(oneLine(string(e.Data)))
	}
	if e.Kind != "log" {
		if brief && e.Kind == "model.spent" {
			return spentText(e.Data)
		}
		if brief {
			maps.DeleteFunc(data, func(k string, _ json.RawMessage) bool { return slices.Contains(forTheRecord, k) })
		}
		return pairs(data)
	}
	text := fmt.Sprintf("%-6s %s", plain(data["level"]), plain(data["text"]))
	delete(data, "level")
	delete(data, "text")
	var fields map[string]json.RawMessage
	if json.Unmarshal(data["fields"], &fields) == nil {
		delete(data, "fields")
		for k, v := range fields {
			data[k] = v
		}
	}
	return strings.TrimRight(text+" "+pairs(data), " ")
}

// spentText is what a model was asked for: its tokens and dollars.
func spentText(raw json.RawMessage) string {
	var d struct {
		Model string
		Usage struct {
			InputTokens, OutputTokens int64
			USD                       float64
			Estimated                 bool
		}
	}
	if json.Unmarshal(raw, &d) != nil {
		return clean(oneLine(string(raw)))
	}
	text := fmt.Sprintf("%s %d tokens in, %d out", clean(d.Model), d.Usage.InputTokens, d.Usage.OutputTokens)
	if d.Usage.USD > 0 {
		text += fmt.Sprintf(", $%.4f", d.Usage.USD)
	}
	if d.Usage.Estimated {
		text += " (estimated)"
	}
	return text
}

func pairs(data map[string]json.RawMessage) string {
	keys := make([]string, 0, len(data))
	for k := range data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		v := plain(data[k])
		if v == "" || v == "null" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsAny(v, " =") && !strings.ContainsAny(v[:1], `{["`) {
			v = fmt.Sprintf("%q", v)
		}
		fmt.Fprintf(&b, "%s=%s", clean(k), v)
	}
	return b.String()
}

// maxValue is how much of one value an event line shows; --json shows all.
const maxValue = 400

// plain is a string without its quotes, anything else as compact JSON.
func plain(v json.RawMessage) string {
	text := string(v)
	var s string
	if json.Unmarshal(v, &s) == nil {
		text = s
	}
	text = oneLine(clean(text))
	if runes := []rune(text); len(runes) > maxValue {
		text = string(runes[:maxValue]) + "…"
	}
	return text
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "⏎ ")
}
