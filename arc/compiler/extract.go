package compiler

import (
	"fmt"
	"sort"
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

// units is everything that goes into a manifest except files and dependencies.
type units struct {
	list    []bundle.Unit
	tokens  map[string][]bundle.Place
	defs    map[string]rawJSON
	entries []string // source files that have code to run, sorted
	msgs    []diag.Message

	wanted []wanted // schemas that are values

	in    *input
	at    map[string]arctsc.Span // of each unit's name
	names map[string][]string    // units by class, method or constant: "src/a.ts#Orders", "src/a.ts#Orders.get"
	later []func()               // what needs every unit's name first
}

// extract makes units of the facts. It goes on after a complaint to find the
// next one.
func (c *checked) extract(in *input) *units {
	u := &units{in: in, tokens: map[string][]bundle.Place{}, at: map[string]arctsc.Span{},
		names: map[string][]string{}, defs: c.facts.Defs}
	if c.unreadable() {
		return u
	}
	for i := range c.facts.Classes {
		u.class(&c.facts.Classes[i])
	}
	for i := range c.facts.Functions {
		u.function(&c.facts.Functions[i])
	}
	u.outside(c.facts.Sources)
	if len(u.list) == 0 && len(u.msgs)+len(c.msgs) == 0 {
		u.msgs = append(u.msgs, diag.Message{Severity: diag.Error, Code: "ARC1005", Text: "the project has no units",
			Hint: "mark a method of an exported class with @tool(), or a class with @agent()"})
	}
	for _, run := range u.later {
		run()
	}
	u.unknownOverrides()
	sort.Slice(u.list, func(i, j int) bool { return u.list[i].Name < u.list[j].Name })
	sort.Strings(u.entries)
	return u
}

// outside: what a bundle holds lies in its project, or in a package.
func (u *units) outside(sources []string) {
	for _, s := range sources {
		if strings.HasPrefix(s, "../") {
			u.fail(arctsc.Span{File: s}, "ARC4005", hintOutside, "this file is imported but "+wordsOutside)
		}
	}
}

func (u *units) fail(at arctsc.Span, code, hint, format string, args ...any) {
	u.msgs = append(u.msgs, diag.Message{Severity: diag.Error, Code: code, Text: fmt.Sprintf(format, args...),
		Place: place(at), LineText: at.LineText, Hint: hint})
}

// unreadable: after these complaints the facts have holes, and complaints about
// the holes would only be noise.
func (c *checked) unreadable() bool {
	for _, m := range c.msgs {
		switch {
		case m.Severity == diag.Warning, strings.HasPrefix(m.Code, "ARC2"), m.Code == "ARC1006", m.Code == "ARC1008", m.Code == "ARC1010":
		default:
			return true
		}
	}
	return false
}

// add takes a unit whose name nobody has yet.
func (u *units) add(unit bundle.Unit, at arctsc.Span, ids ...string) bool {
	if first, taken := u.at[unit.Name]; taken {
		u.fail(at, "ARC1011", `give one of them a name of its own: { name: "…" }`, "two units are named %q", unit.Name)
		m := &u.msgs[len(u.msgs)-1]
		m.Notes = append(m.Notes, diag.Note{Text: "the first one is here", Place: place(first), LineText: first.LineText})
		return false
	}
	if !bundle.ValidUnitName(unit.Name) {
		u.fail(at, "ARC1012", `letters, digits, "_" and "-", parts joined with dots: "orders.get"`, "%q cannot be the name of a unit", unit.Name)
		return false
	}
	u.at[unit.Name] = at
	unit.Place = bundle.Place{File: at.File, Line: at.Line, Col: at.Col}
	u.list = append(u.list, unit)
	for _, id := range ids {
		u.names[id] = append(u.names[id], unit.Name)
	}
	return true
}

// unit finds one that was added; the list may have moved since.
func (u *units) unit(name string) *bundle.Unit {
	for i := range u.list {
		if u.list[i].Name == name {
			return &u.list[i]
		}
	}
	return nil
}

func (u *units) function(f *arctsc.Function) {
	if f.Export == "" {
		u.fail(f.At, "ARC1013", "write `export` before it", "%s is a tool but is not exported, so nobody could call it", f.Name)
		return
	}
	o := u.options(f.Mark, f.Export)
	unit := bundle.Unit{Name: o.text("name", f.Export), Kind: bundle.Tool, Entry: u.entry(f.At.File, f.Export, "")}
	u.toolParts(&unit, o, f.Doc, f.Shape)
	u.schemaValues(&unit, o, f.At.File)
	unit.Tokens = u.useTokens(f.Handles)
	o.done()
	u.add(unit, f.At, f.ID)
}

// toolParts are those that a method and a function have alike.
func (u *units) toolParts(unit *bundle.Unit, o *options, doc arctsc.Doc, shape arctsc.Shape) {
	unit.Description, unit.Deprecated = o.text("description", doc.Text), doc.Deprecated
	unit.Input, unit.Output, unit.Rest = shape.Input, shape.Output, shape.Rest
	for _, p := range shape.Params {
		unit.Params = append(unit.Params, p.Name)
	}
	unit.Limits = bundle.Limits{TimeoutMS: o.duration("timeout"), GraceMS: o.grace("grace"), MemoryBytes: o.size("memory"), CPUMillis: o.cores("cpu")}
	unit.Retries, unit.Idempotent = o.count("retries"), o.flag("idempotent")
	unit.Approve, unit.Approval = o.approval("approve")
	u.start(unit, o)
}

// entry is where a unit's code will be, and notes that this file has some.
func (u *units) entry(file, export, method string) *bundle.Entry {
	u.entries = appendNew(u.entries, file)
	return &bundle.Entry{Code: codePath(file), Export: export, Method: method}
}

func appendNew(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// manifest is the whole but for files, imports and dependencies.
func (u *units) manifest(in *input) *bundle.Manifest {
	m := &bundle.Manifest{
		Aria: "1", Name: in.Name, Version: in.Version, Description: in.Description,
		Builder: Tools(),
		Units:   u.list, Defs: usedDefs(u.list, u.defs),
	}
	for t, where := range u.tokens {
		m.Permissions.Tokens = append(m.Permissions.Tokens, bundle.TokenUse{Token: t, Where: where})
	}
	sort.Slice(m.Permissions.Tokens, func(i, j int) bool {
		return m.Permissions.Tokens[i].Token < m.Permissions.Tokens[j].Token
	})
	return m
}

// lowerFirst makes a unit's name of a class's: Orders, orders; HTTPTools, httpTools.
func lowerFirst(s string) string {
	n := 0
	for n < len(s) && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	if n > 1 && n < len(s) {
		n-- // the last capital begins the next word
	}
	return strings.ToLower(s[:n]) + s[n:]
}
