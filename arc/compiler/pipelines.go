package compiler

import (
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

func (u *units) pipeline(c *arctsc.Class, unit *bundle.Unit, o *options, mark arctsc.Mark, steps []arctsc.Method) {
	spec := &bundle.PipelineSpec{}
	unit.Pipeline = spec
	unit.Tokens = u.useTokens(c.Handles)
	unit.Limits.TimeoutMS = o.duration("timeout")
	unit.Retries = o.count("retries")
	unit.Entry = u.entry(c.At.File, c.Export, "")
	switch {
	case len(steps) == 0 && !c.HasRun:
		u.fail(c.At, "ARC1030", "mark methods with @step(), or write async run(input)", "pipeline %s has neither steps nor a run method", unit.Name)
	case len(steps) > 0 && c.HasRun:
		u.fail(c.At, "ARC1030", "keep one of the two forms", "pipeline %s has both steps and a run method", unit.Name)
	case len(steps) == 0:
		unit.Entry.Method = "run"
	}
	spec.Steps = u.steps(steps, unit.Name)
	uses, at := c.Uses, unit.Name
	u.later = append(u.later, func() {
		if x := u.unit(at); x != nil && x.Pipeline != nil {
			x.Pipeline.Uses = u.resolve(uses, "unit to use")
			x.Pipeline.Calls = u.calls(uses)
		}
	})
}

// calls says which unit each method of a used class is, as the code names them.
func (u *units) calls(uses []arctsc.Value) map[string]string {
	out := map[string]string{}
	for _, r := range uses {
		if r.Kind != arctsc.Reference || r.Ref.Method != "" {
			continue
		}
		for id, names := range u.names {
			method, ok := strings.CutPrefix(id, r.Ref.ID+".")
			if !ok && id == r.Ref.ID && len(names) == 1 {
				if x := u.unit(names[0]); x != nil && x.Kind != bundle.Tool {
					method, ok = "run", true
				}
			}
			if ok && len(names) == 1 && !strings.Contains(method, ".") {
				out[r.Ref.Name+"."+method] = names[0]
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// steps reads every step and refuses an order that cannot be.
func (u *units) steps(methods []arctsc.Method, pipeline string) []bundle.Step {
	byName := map[string]*arctsc.Method{}
	for i := range methods {
		byName[methods[i].Name] = &methods[i]
	}
	var out []bundle.Step
	after := map[string][]arctsc.Value{}
	for i := range methods {
		m := &methods[i]
		if !u.callable(m) {
			continue
		}
		o := u.options(markOf(m, "step"), "")
		s := bundle.Step{Name: m.Name, Retries: o.count("retries"), TimeoutMS: o.duration("timeout"), Output: m.Output,
			Place: bundle.Place{File: m.At.File, Line: m.At.Line, Col: m.At.Col}}
		s.Undo, s.Join = o.text("undo", ""), o.flag("join")
		for _, a := range o.list("after") {
			if byName[a.String] == nil || a.Kind != arctsc.String {
				u.fail(a.At, "ARC1031", "steps of this class: "+stepNames(methods), "%q is no step of pipeline %s", a.String, pipeline)
				continue
			}
			after[m.Name] = append(after[m.Name], a)
			s.After = append(s.After, a.String)
		}
		for _, where := range []struct {
			option string
			name   *string
		}{{"when", &s.When}, {"each", &s.Each}} {
			a, ok := o.get(where.option)
			if !ok {
				continue
			}
			if a.Kind != arctsc.String || byName[a.String] == nil {
				u.fail(a.At, "ARC1031", "steps of this class: "+stepNames(methods), "%q is no step of pipeline %s", a.String, pipeline)
				continue
			}
			*where.name = a.String
			after[m.Name] = append(after[m.Name], a)
		}
		o.done()
		out = append(out, s)
	}
	u.cycle(methods, after)
	return out
}

func stepNames(ms []arctsc.Method) string {
	var names []string
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// cycle reports the first circle of steps that wait for one another, with the
// place of every `after` in it.
func (u *units) cycle(methods []arctsc.Method, after map[string][]arctsc.Value) {
	state := map[string]int{} // 1: on the path, 2: done
	var path []arctsc.Value
	var visit func(name string) bool
	visit = func(name string) bool {
		state[name] = 1
		for _, a := range after[name] {
			path = append(path, a)
			if state[a.String] == 1 {
				u.reportCycle(path)
				return true
			}
			if state[a.String] == 0 && visit(a.String) {
				return true
			}
			path = path[:len(path)-1]
		}
		state[name] = 2
		return false
	}
	for _, m := range methods {
		if state[m.Name] == 0 && visit(m.Name) {
			return
		}
	}
}

func (u *units) reportCycle(path []arctsc.Value) {
	last := path[len(path)-1]
	for i := range path[:len(path)-1] {
		if path[i].String == last.String { // what came before led here, but is no part
			path = path[i+1:]
			break
		}
	}
	names := []string{last.String}
	for _, p := range path {
		names = append(names, p.String)
	}
	u.fail(path[0].At, "ARC1032", "take one of these names out of its `after`",
		"these steps wait for one another: %s", strings.Join(names, " after "))
	m := &u.msgs[len(u.msgs)-1]
	for _, p := range path[1:] {
		m.Notes = append(m.Notes, diag.Note{Text: "and here", Place: place(p.At), LineText: p.At.LineText})
	}
}
