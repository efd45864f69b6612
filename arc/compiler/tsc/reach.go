package arctsc

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/microsoft/typescript-go/internal/ast"
)

// reach finds the handles that a unit's code can use: those made in it, and
// those made in whatever of this project it names, at any distance. It errs on
// the side of too many: a handle that is named counts as used.
func (x *extraction) reach(n *ast.Node) ([]Handle, []Value) {
	r := &reacher{x: x, seen: map[*ast.Node]bool{}}
	r.visit(n)
	return r.handles, r.uses
}

type reacher struct {
	x       *extraction
	seen    map[*ast.Node]bool
	handles []Handle
	uses    []Value
}

func (r *reacher) visit(n *ast.Node) {
	if n == nil || ast.IsTypeNode(n) && n.Kind != ast.KindExpressionWithTypeArguments {
		return
	}
	switch n.Kind {
	case ast.KindDecorator: // options name other units, they do not run them
		return
	case ast.KindCallExpression:
		if r.sdkCall(n) {
			return
		}
	case ast.KindElementAccessExpression:
		r.chosen(n)
	case ast.KindIdentifier:
		r.name(n)
		return
	}
	n.ForEachChild(func(c *ast.Node) bool {
		r.visit(c)
		return false
	})
}

// sdkCall takes handles and use(); true if the call is one of them.
func (r *reacher) sdkCall(n *ast.Node) bool {
	s := r.x.c.GetSymbolAtLocation(n.Expression())
	if s == nil {
		return false
	}
	if s = r.x.c.SkipAlias(s); !r.x.p.fromSDK(s) {
		return false
	}
	args := n.Arguments()
	if s.Name == "use" && len(args) > 0 {
		if v, ok := r.x.e.fold(args[0]); ok {
			r.uses = append(r.uses, v)
		}
		return true
	}
	if !slices.Contains(r.x.p.in.Handles, s.Name) {
		return false
	}
	h := Handle{Name: s.Name, At: r.x.p.span(n)}
	if !r.seen[n] {
		r.seen[n] = true
		r.x.stored(n)
		before := len(r.x.e.problems)
		for _, a := range args {
			v, ok := r.x.e.fold(a)
			if !ok {
				r.literalOnly(n, s.Name, before)
				return true
			}
			h.Args = append(h.Args, v)
		}
		r.handles = append(r.handles, h)
	}
	return true
}

// chosen warns of handles[key]: the unit gets every handle in there, because
// which one it will be is not known before it runs.
func (r *reacher) chosen(n *ast.Node) {
	probe := &folder{p: r.x.p, c: r.x.c}
	if _, ok := probe.fold(n.AsElementAccessExpression().ArgumentExpression); ok {
		return
	}
	s := r.x.c.GetSymbolAtLocation(n.Expression())
	if s == nil {
		return
	}
	d := r.x.c.SkipAlias(s).ValueDeclaration
	if d == nil || d.Kind != ast.KindVariableDeclaration && d.Kind != ast.KindPropertyDeclaration || d.Initializer() == nil {
		return
	}
	if count := r.handleCalls(d.Initializer()); count > 1 && !r.seen[n] {
		r.seen[n] = true
		p := Problem{Code: "ARC3005", At: r.x.p.span(n), Warning: true,
			Text:  fmt.Sprintf("which of these %d handles is used is not known before the unit runs, so it asks for all of them", count),
			Notes: []Note{{Text: "they are made here", At: r.x.p.span(d.Name())}},
			Hint:  "name the handle, or make a unit of each"}
		for _, q := range r.x.problem {
			if q.At == p.At && q.Code == p.Code {
				return
			}
		}
		r.x.problem = append(r.x.problem, p)
	}
}

func (r *reacher) handleCalls(n *ast.Node) int {
	count := 0
	if n.Kind == ast.KindCallExpression {
		if s := r.x.c.GetSymbolAtLocation(n.Expression()); s != nil {
			if s = r.x.c.SkipAlias(s); r.x.p.fromSDK(s) && slices.Contains(r.x.p.in.Handles, s.Name) {
				count++
			}
		}
	}
	n.ForEachChild(func(c *ast.Node) bool {
		count += r.handleCalls(c)
		return false
	})
	return count
}

// stored refuses what a handle cannot keep: it stores JSON and gives JSON back,
// so a Date would return as a string while its type still says Date.
func (x *extraction) stored(call *ast.Node) {
	written := call.TypeArguments()
	if len(written) == 0 {
		return
	}
	probe := newSchemas(x.p, x.c)
	s := probe.top(x.c.GetTypeFromTypeNode(written[0]), false, written[0])
	const hint = "keep what JSON has: a Date as its toISOString(), a Map as an object"
	for _, p := range probe.problems {
		// any and open type parameters are the author's affair here.
		if p.Code == "ARC2001" || p.Code == "ARC2004" || p.Code == "ARC2005" {
			x.problem = append(x.problem, Problem{Code: "ARC3004", Text: "a stored value: " + p.Text, At: p.At, Hint: hint})
		}
	}
	all := [][]byte{encode(s)}
	for _, d := range probe.defs {
		all = append(all, encode(d))
	}
	for _, schema := range all {
		if bytes.Contains(schema, []byte(`"x-aria-type"`)) {
			x.fail(written[0], "ARC3004", hint, "a stored value comes back as plain JSON, but "+x.c.TypeToString(x.c.GetTypeFromTypeNode(written[0]))+" holds more than that")
			return
		}
	}
}

// literalOnly replaces the folder's complaint by one that says why it matters
// here; two units that reach the same call complain once.
func (r *reacher) literalOnly(n *ast.Node, name string, before int) {
	why := r.x.e.problems[before]
	r.x.e.problems = r.x.e.problems[:before]
	for _, p := range r.x.e.problems {
		if p.At == why.At {
			return
		}
	}
	why.Code = "ARC3001"
	why.Notes = append([]Note{{Text: why.Text, At: why.At}}, why.Notes...)
	why.Text = "the permission of this " + name + "() cannot be read at build time"
	why.Hint = "write its arguments as literals, so that everybody can see what the unit may touch"
	r.x.e.problems = append(r.x.e.problems, why)
}

// name follows an identifier to what it stands for, if that is the author's own
// and lives at the top of a file.
func (r *reacher) name(n *ast.Node) {
	s := r.x.c.GetSymbolAtLocation(n)
	if s == nil {
		return
	}
	if n.Parent.Kind == ast.KindShorthandPropertyAssignment {
		s = r.x.c.GetShorthandAssignmentValueSymbol(n.Parent)
	}
	if s == nil {
		return
	}
	d := r.x.c.SkipAlias(s).ValueDeclaration
	if d == nil || r.seen[d] {
		return
	}
	switch d.Kind {
	case ast.KindVariableDeclaration, ast.KindFunctionDeclaration, ast.KindClassDeclaration,
		ast.KindMethodDeclaration, ast.KindPropertyDeclaration, ast.KindPropertyAssignment:
	default:
		return
	}
	if !r.x.p.own(ast.GetSourceFileOfNode(d)) {
		return
	}
	r.seen[d] = true
	r.visit(d)
}
