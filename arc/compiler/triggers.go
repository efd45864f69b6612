package compiler

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// start reads what starts a unit by itself, and how many of its runs may go on
// at once.
func (u *units) start(unit *bundle.Unit, o *options) {
	t := bundle.Trigger{Cron: o.text("cron", ""), Zone: o.text("zone", ""), EveryMS: o.duration("every")}
	for _, v := range o.list("on") {
		name, ok := strings.CutPrefix(v.String, bundle.EventPrefix)
		if v.Kind != arctsc.String || !ok {
			u.fail(v.At, "ARC1040", `write "event:" and the event's name: "event:order.paid"`, "option \"on\" of %s has the wrong form", o.unit)
			return
		}
		t.On = append(t.On, name)
	}
	hook, called := o.get("http")
	if called {
		var err *fault.Error
		if t.HTTP, err = bundle.Hook(hook.String); hook.Kind != arctsc.String || err != nil {
			o.fail("http", `write a method (GET, POST, PUT or DELETE) and a path: "POST /refund"`)
			return
		}
	}
	t.Secret = o.text("secret", "")
	if v, ok := o.get("with"); ok {
		t.With = u.constant(v)
	}
	if c := u.concurrency(o); c != nil {
		if unit.Concurrency = c; c.Key != "" {
			u.inInput(unit, o, "concurrency", *c)
		}
	}
	if len(t.On) == 0 && t.EveryMS == 0 && t.Cron == "" && !called && t.Zone+t.Secret == "" && t.With == nil {
		return
	}
	if err := t.Check(); err != nil {
		u.fail(o.at(whichOption(t, err)), "ARC1045", err.Hint, "%s: %s", o.unit, err.Message)
		return
	}
	unit.Trigger = &t
	u.scheduled(unit, o, t)
}

// whichOption is the one that a complaint is about.
func whichOption(t bundle.Trigger, err *fault.Error) string {
	for _, x := range []struct{ key, value string }{{"cron", t.Cron}, {"zone", t.Zone}, {"http", t.HTTP}, {"secret", t.Secret}} {
		if x.value != "" && strings.Contains(err.Message, `"`+x.value+`"`) {
			return x.key
		}
	}
	switch {
	case t.With != nil && strings.HasPrefix(err.Message, "with"):
		return "with"
	case strings.Contains(err.Message, "every"):
		return "every"
	case len(t.On) > 0:
		return "on"
	case t.Zone != "":
		return "zone"
	}
	return "secret"
}

// scheduled: a schedule must be able to give the input that the unit wants.
func (u *units) scheduled(unit *bundle.Unit, o *options, t bundle.Trigger) {
	if t.Cron == "" && t.EveryMS == 0 || unit.Input == nil {
		return
	}
	key := "every"
	if t.Cron != "" {
		key = "cron"
	}
	var with map[string]json.RawMessage
	_ = json.Unmarshal(t.With, &with) // none is as good as an empty one
	var missing []string
	for _, name := range u.wants(unit.Input).Required {
		if _, ok := with[name]; !ok && !slices.Contains(bundle.TickFields, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		u.fail(o.at(key), "ARC1045", "give it a constant value, with: { "+missing[0]+": … }, or make it optional; a schedule itself fills in "+strings.Join(bundle.TickFields, ", "),
			"a schedule cannot give %s the input %s", o.unit, strings.Join(missing, ", "))
	}
}

// wanted input of a schema.
type wantedInput struct {
	Ref        string                     `json:"$ref"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
}

func (u *units) wants(schema json.RawMessage) wantedInput {
	var w wantedInput
	for range 8 { // references to references
		w = wantedInput{}
		if json.Unmarshal(schema, &w) != nil || w.Ref == "" {
			break
		}
		schema = u.defs[strings.TrimPrefix(w.Ref, "#/$defs/")]
	}
	return w
}

// concurrency reads { key, max, then }.
func (u *units) concurrency(o *options) *bundle.Concurrency {
	v, ok := o.get("concurrency")
	if !ok {
		return nil
	}
	if v.Kind != arctsc.Object {
		o.fail("concurrency", `write { key: "input.customer", max: 1, then: "queue" }`)
		return nil
	}
	inner := &options{u: o.u, mark: o.mark, source: v, read: map[string]bool{}, unit: "the concurrency of " + o.unit}
	c := bundle.Concurrency{Key: inner.text("key", ""), Max: inner.count("max"), Then: inner.text("then", bundle.ThenQueue)}
	if _, said := inner.get("max"); !said {
		c.Max = 1
	}
	inner.done()
	if err := c.Check(); err != nil {
		u.fail(o.at("concurrency"), "ARC1046", err.Hint, "%s: %s", o.unit, err.Message)
		return nil
	}
	return &c
}

// inInput: the key must be something that the unit is given.
func (u *units) inInput(unit *bundle.Unit, o *options, option string, c bundle.Concurrency) {
	schema := unit.Input
	for _, name := range strings.Split(c.Key, ".")[1:] {
		w := u.wants(schema)
		if w.Properties == nil {
			return // not an object with names that are known here: decided when it runs
		}
		next, ok := w.Properties[name]
		if !ok {
			names := sortedKeys(w.Properties)
			u.fail(o.at(option), "ARC1046", "it has "+strings.Join(names, ", "), "%s: the input has no %q", o.unit, name)
			return
		}
		schema = next
	}
}

// constant is a folded value as JSON, or "null" for what has no place in JSON.
func (u *units) constant(v arctsc.Value) json.RawMessage {
	raw, err := json.Marshal(plain(v))
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}

func plain(v arctsc.Value) any {
	switch v.Kind {
	case arctsc.String:
		return v.String
	case arctsc.Bool:
		return v.Bool
	case arctsc.Number:
		return v.Number
	case arctsc.List:
		out := make([]any, 0, len(v.List))
		for _, e := range v.List {
			out = append(out, plain(e))
		}
		return out
	case arctsc.Object:
		out := map[string]any{}
		for _, f := range v.Fields {
			if f.Value.Kind != arctsc.Undefined {
				out[f.Name] = plain(f.Value)
			}
		}
		return out
	}
	return nil
}
