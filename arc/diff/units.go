package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/bundle"
)

// units compares the units one by one.
func (r *Report) units(old, new *bundle.Manifest) {
	if old.Name != new.Name {
		r.breaks(Unit, "", "", "another bundle: "+changed(old.Name, new.Name))
	}
	if old.Description != new.Description {
		r.note(Description, "", "/description", reworded(old.Description, new.Description))
	}
	had, has := decodeAll(old.Defs), decodeAll(new.Defs)
	for i := range new.Units {
		n := &new.Units[i]
		o, ok := old.Unit(n.Name)
		switch {
		case !ok:
			r.note(Unit, n.Name, "", fmt.Sprintf("is new (%s)", n.Kind))
		case o.Kind != n.Kind:
			r.breaks(Unit, n.Name, "/kind", changed(string(o.Kind), string(n.Kind)))
		default:
			r.unit(had, has, o, n)
		}
	}
	for _, o := range old.Units {
		if _, ok := new.Unit(o.Name); !ok {
			r.breaks(Unit, o.Name, "", fmt.Sprintf("is gone (%s)", o.Kind))
		}
	}
}

func (r *Report) unit(had, has map[string]any, o, n *bundle.Unit) {
	r.schema(o.Name, input, schemas{o.Input, had}, schemas{n.Input, has})
	r.schema(o.Name, output, schemas{o.Output, had}, schemas{n.Output, has})
	if o.Description != n.Description {
		r.note(Description, n.Name, "/description", reworded(o.Description, n.Description))
	}
	for _, f := range fields(o, n) {
		if f.old == f.new {
			continue
		}
		kind, text := f.kind, changed(f.old, f.new)
		if kind == Description {
			text = reworded(f.old, f.new)
		}
		r.note(kind, n.Name, f.pointer, text)
	}
}

// field is one setting of a unit, as text.
type field struct {
	kind     Kind
	pointer  string
	old, new string
}

func fields(o, n *bundle.Unit) []field {
	return []field{
		{Unit, "/deprecated", o.Deprecated, n.Deprecated},
		{Unit, "/params", strings.Join(o.Params, ", "), strings.Join(n.Params, ", ")},
		{Unit, "/idempotent", flag(o.Idempotent), flag(n.Idempotent)},
		{Limit, "/limits/timeoutMs", millis(o.Limits.TimeoutMS), millis(n.Limits.TimeoutMS)},
		{Limit, "/limits/graceMs", grace(o.Limits.GraceMS), grace(n.Limits.GraceMS)},
		{Limit, "/limits/memoryBytes", number(o.Limits.MemoryBytes, " bytes"), number(n.Limits.MemoryBytes, " bytes")},
		{Limit, "/limits/cpuMillis", number(o.Limits.CPUMillis, " thousandths of a core"), number(n.Limits.CPUMillis, " thousandths of a core")},
		{Limit, "/retries", number(int64(o.Retries), ""), number(int64(n.Retries), "")},
		{Unit, "/approval", text(o.Approval), text(n.Approval)},
		{Unit, "/agent/model", agent(o).Model, agent(n).Model},
		{Description, "/agent/instructions", agent(o).Instructions, agent(n).Instructions},
		{Unit, "/agent/tools", strings.Join(agent(o).Tools, ", "), strings.Join(agent(n).Tools, ", ")},
		{Unit, "/agent/memory", flag(agent(o).Memory), flag(agent(n).Memory)},
		{Unit, "/agent/code", flag(agent(o).Code), flag(agent(n).Code)},
		{Limit, "/agent/maxSteps", number(int64(agent(o).MaxSteps), ""), number(int64(agent(n).MaxSteps), "")},
		{Limit, "/agent/budget", text(agent(o).Budget), text(agent(n).Budget)},
		{Unit, "/team", text(o.Team), text(n.Team)},
		{Unit, "/pipeline", pipeline(o.Pipeline), pipeline(n.Pipeline)},
	}
}

func agent(u *bundle.Unit) bundle.AgentSpec {
	if u.Agent == nil {
		return bundle.AgentSpec{}
	}
	return *u.Agent
}

// pipeline is the spec without the places in the source, which move all the time.
func pipeline(p *bundle.PipelineSpec) string {
	if p == nil {
		return ""
	}
	c := *p
	c.Steps = slices.Clone(p.Steps)
	for i := range c.Steps {
		c.Steps[i].Place = bundle.Place{}
	}
	return text(c)
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil || string(raw) == "null" || string(raw) == "{}" {
		return ""
	}
	return string(raw)
}

func flag(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func number(n int64, unit string) string {
	if n == 0 {
		return "default"
	}
	return fmt.Sprint(n) + unit
}

func millis(n int64) string {
	if n == 0 {
		return "default"
	}
	return (time.Duration(n) * time.Millisecond).String()
}

func grace(ms *int64) string {
	switch {
	case ms == nil:
		return "default"
	case *ms == 0:
		return "none"
	}
	return millis(*ms)
}

// reworded shows both texts, each cut where it would fill the screen.
func reworded(old, new string) string { return fmt.Sprintf("%s → %s", quoted(old), quoted(new)) }

func quoted(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
