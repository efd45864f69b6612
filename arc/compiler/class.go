package compiler

import (
	"encoding/json"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
)

type rawJSON = json.RawMessage

// kindOf says which mark makes which unit, and the class it must extend.
var kindOf = map[string]struct {
	kind bundle.Kind
	base string
}{
	"agent":    {bundle.Agent, "Agent"},
	"team":     {bundle.Team, "Team"},
	"pipeline": {bundle.Pipeline, "Pipeline"},
}

func (u *units) class(c *arctsc.Class) {
	var mark *arctsc.Mark
	for i := range c.Marks {
		if _, ok := kindOf[c.Marks[i].Name]; !ok {
			continue
		}
		if mark != nil {
			u.fail(c.Marks[i].At, "ARC1014", "make two classes", "class %s cannot be both %s and %s", c.Name, mark.Name, c.Marks[i].Name)
			return
		}
		mark = &c.Marks[i]
	}
	tools, steps := marked(c, "tool"), marked(c, "step")
	if mark == nil && len(tools)+len(steps) == 0 {
		return // a class that others extend
	}
	if c.Export == "" {
		u.fail(c.At, "ARC1013", "write `export` before it", "class %s holds units but is not exported, so nobody could reach it", c.Name)
		return
	}
	u.constructible(c, mark)
	if len(steps) > 0 && (mark == nil || mark.Name != "pipeline") {
		u.fail(steps[0].At, "ARC1015", "put @pipeline() on the class", "@step stands in class %s, which is no pipeline", c.Name)
	}
	if mark != nil {
		u.marked(c, *mark, steps)
	}
	for i := range tools {
		u.tool(c, &tools[i])
	}
}

// constructible: a container makes the object itself.
func (u *units) constructible(c *arctsc.Class, mark *arctsc.Mark) {
	if mark != nil && mark.Name != "pipeline" {
		return // agents and teams are never made
	}
	if c.Abstract {
		u.fail(c.At, "ARC1016", "put the units in a class that extends it", "class %s is abstract, so no container can make one", c.Name)
	} else if c.NeedsArgs {
		u.fail(c.At, "ARC1016", "give the parameters of its constructor defaults; a container calls it with none",
			"class %s cannot be made without arguments", c.Name)
	}
}

// marked are the methods with a mark, in source order.
func marked(c *arctsc.Class, name string) []arctsc.Method {
	var out []arctsc.Method
	for _, m := range c.Methods {
		for _, k := range m.Marks {
			if k.Name == name {
				out = append(out, m)
				break
			}
		}
	}
	return out
}

func markOf(m *arctsc.Method, name string) arctsc.Mark {
	for _, k := range m.Marks {
		if k.Name == name {
			return k
		}
	}
	return arctsc.Mark{}
}

func (u *units) tool(c *arctsc.Class, m *arctsc.Method) {
	if !u.callable(m) {
		return
	}
	mark := markOf(m, "tool")
	name := lowerFirst(className(c)) + "." + m.Name
	o := u.options(mark, name)
	unit := bundle.Unit{Name: o.text("name", name), Kind: bundle.Tool, Entry: u.entry(c.At.File, c.Export, m.Name)}
	u.toolParts(&unit, o, m.Doc, m.Shape)
	u.schemaValues(&unit, o, c.At.File)
	unit.Tokens = u.useTokens(c.Handles)
	o.done()
	u.add(unit, m.At, c.ID, c.ID+"."+m.Name)
}

func (u *units) callable(m *arctsc.Method) bool {
	switch {
	case m.Static:
		u.fail(m.At, "ARC1017", "take `static` away, or use tool.fn", "%s is static; a unit is a method of an object", m.Name)
	case m.Hidden:
		u.fail(m.At, "ARC1017", "make it public", "%s is not public, so nobody could call it", m.Name)
	default:
		return true
	}
	return false
}

// className is the class's own, or for `export default class {}` its file's.
func className(c *arctsc.Class) string {
	if c.Name != "default" {
		return c.Name
	}
	return fileStem(c.At.File)
}

func (u *units) marked(c *arctsc.Class, mark arctsc.Mark, steps []arctsc.Method) {
	want := kindOf[mark.Name]
	if c.Base != want.base {
		u.fail(c.At, "ARC1018", "write: class "+c.Name+" extends "+want.base+"<Input, Output>",
			"@%s stands on class %s, which does not extend %s", mark.Name, c.Name, want.base)
		return
	}
	name := lowerFirst(className(c))
	o := u.options(mark, name)
	unit := bundle.Unit{
		Name: o.text("name", name), Kind: want.kind, Input: c.Input, Output: c.Output,
		Description: o.text("description", c.Doc.Text), Deprecated: c.Doc.Deprecated,
	}
	switch want.kind {
	case bundle.Agent:
		u.agent(c, &unit, o, mark)
	case bundle.Team:
		u.team(&unit, o, mark)
	case bundle.Pipeline:
		u.pipeline(c, &unit, o, mark, steps)
	}
	u.start(&unit, o)
	o.done()
	u.add(unit, c.At, c.ID)
}
