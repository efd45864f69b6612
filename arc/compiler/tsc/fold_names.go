package arctsc

import (
	"fmt"
	"strings"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/jsnum"
)

func (e *folder) list(n *ast.Node) (Value, bool) {
	out, good := Value{Kind: List}, true
	for _, el := range n.Elements() {
		if el.Kind != ast.KindSpreadElement {
			v, ok := e.fold(el)
			good = good && ok
			out.List = append(out.List, v)
			continue
		}
		v, ok := e.fold(el.Expression())
		if ok && v.Kind != List {
			v, ok = e.fail(el, "only a constant list can be spread here")
		}
		good = good && ok
		out.List = append(out.List, v.List...)
	}
	return out, good
}

func (e *folder) object(n *ast.Node) (Value, bool) {
	out, good := Value{Kind: Object}, true
	for _, m := range n.Properties() {
		var v Value
		ok := true
		switch m.Kind {
		case ast.KindPropertyAssignment:
			var name string
			if name, ok = e.memberName(m.Name()); ok && e.schema(name) {
				out.Fields = setField(out.Fields, name, Value{Kind: Schema, At: e.p.span(m.Initializer())})
			} else if ok {
				v, ok = e.fold(m.Initializer())
				out.Fields = setField(out.Fields, name, v)
			}
		case ast.KindShorthandPropertyAssignment:
			if e.schema(m.Name().Text()) {
				out.Fields = setField(out.Fields, m.Name().Text(), Value{Kind: Schema, At: e.p.span(m)})
				continue
			}
			v, ok = e.symbol(e.c.GetShorthandAssignmentValueSymbol(m), m.Name())
			v.At = e.p.span(m)
			out.Fields = setField(out.Fields, m.Name().Text(), v)
		case ast.KindSpreadAssignment:
			v, ok = e.fold(m.Expression())
			if ok && v.Kind != Object {
				_, ok = e.fail(m, "only a constant object can be spread here")
			}
			for _, f := range v.Fields {
				out.Fields = setField(out.Fields, f.Name, f.Value)
			}
		default:
			_, ok = e.fail(m, "methods and accessors cannot be read at build time")
		}
		good = good && ok
	}
	return out, good
}

func (e *folder) schema(name string) bool { return e.schemas && (name == "input" || name == "output") }

func setField(fs []Field, name string, v Value) []Field {
	for i := range fs {
		if fs[i].Name == name {
			fs[i].Value = v
			return fs
		}
	}
	return append(fs, Field{name, v})
}

func (e *folder) memberName(n *ast.Node) (string, bool) {
	if n.Kind != ast.KindComputedPropertyName {
		return n.Text(), true
	}
	v, ok := e.fold(n.Expression())
	if !ok {
		return "", false
	}
	text, ok := asText(v)
	if !ok {
		e.fail(n, "this computed name cannot be read at build time")
	}
	return text, ok
}

// access reads a.b and a['b']: an enum member, a class's method, a name of a
// namespace import, or a member of a constant.
func (e *folder) access(n *ast.Node) (Value, bool) {
	const direct = ast.SymbolFlagsEnumMember | ast.SymbolFlagsVariable | ast.SymbolFlagsClass | ast.SymbolFlagsMethod
	if s := e.c.GetSymbolAtLocation(n); s != nil && n.Kind == ast.KindPropertyAccessExpression {
		if s = e.c.SkipAlias(s); s.Flags&direct != 0 {
			return e.symbol(s, n)
		}
	}
	v, ok := e.fold(n.Expression())
	if !ok {
		return v, false
	}
	var name string
	if n.Kind == ast.KindPropertyAccessExpression {
		name = n.Name().Text()
	} else {
		k, ok := e.fold(n.AsElementAccessExpression().ArgumentExpression)
		if !ok {
			return k, false
		}
		if i := int(k.Number); k.Kind == Number && v.Kind == List && i >= 0 && i < len(v.List) {
			return v.List[i], true
		}
		name, _ = asText(k)
	}
	if v.Kind == Object {
		got, _ := v.Get(name)
		return got, true
	}
	if v.Kind == List && name == "length" {
		return number(float64(len(v.List)))
	}
	return e.fail(n, "the member %q cannot be read at build time", name)
}

// symbol reads what a name stands for, through imports and re-exports.
func (e *folder) symbol(s *ast.Symbol, at *ast.Node) (Value, bool) {
	if s == nil {
		return e.fail(at, "this name is unknown")
	}
	s = e.c.SkipAlias(s)
	d := s.ValueDeclaration
	if d == nil {
		return e.fail(at, "%s is a type; a value is needed here", s.Name)
	}
	switch d.Kind {
	case ast.KindEnumMember:
		switch v := e.c.GetConstantValue(d).(type) {
		case string:
			return Value{Kind: String, String: v}, true
		case jsnum.Number:
			return number(float64(v))
		}
		return e.fail(at, "this enum member has no constant value")
	case ast.KindClassDeclaration, ast.KindMethodDeclaration:
		return e.reference(s, d), true
	case ast.KindSourceFile:
		f := d.AsSourceFile()
		if strings.HasSuffix(f.FileName(), ".json") && len(f.Statements.Nodes) == 1 {
			return e.fold(f.Statements.Nodes[0].Expression())
		}
		return e.fail(at, "a whole module cannot be read at build time")
	case ast.KindExportAssignment:
		return e.fold(d.Expression())
	case ast.KindVariableDeclaration:
		return e.variable(s, d, at)
	}
	return e.fail(at, "%s cannot be read at build time", s.Name)
}

func (e *folder) reference(s *ast.Symbol, d *ast.Node) Value {
	r := Ref{ID: e.p.id(d, s.Name), Name: s.Name}
	if d.Kind == ast.KindMethodDeclaration && s.Parent != nil {
		r = Ref{ID: e.p.id(d, className(d.Parent)), Name: className(d.Parent), Method: s.Name}
	}
	r.At = e.p.span(nameOr(d))
	return Value{Kind: Reference, Ref: r}
}

func (e *folder) variable(s *ast.Symbol, d, at *ast.Node) (Value, bool) {
	if d.Parent.Flags&ast.NodeFlagsConst == 0 {
		return e.fail(at, "%s is not a const", s.Name)
	}
	init := d.Initializer()
	if init == nil {
		return e.fail(at, "%s has no value in the source", s.Name)
	}
	if e.p.toolFn(e.c, init) != nil {
		return Value{Kind: Reference, Ref: Ref{ID: e.p.id(d, s.Name), Name: s.Name, At: e.p.span(d.Name())}}, true
	}
	before := len(e.problems)
	v, ok := e.fold(init)
	if ok && (v.Kind == List || v.Kind == Object) {
		if where := e.mutated(s); where != nil {
			e.problems = append(e.problems, Problem{
				Code: "ARC1001", Text: fmt.Sprintf("%s is changed elsewhere, so what it holds is not known at build time", s.Name), At: e.p.span(at),
				Notes: []Note{{Text: "it is changed here", At: e.p.span(where)}}, Hint: "make a new constant: const more = [...list, item]",
			})
			return Value{}, false
		}
	}
	if !ok && len(e.problems) > before {
		// The reader looks at the use; the reason stands as a note.
		why := e.problems[before]
		notes := append([]Note{{Text: why.Text, At: why.At}}, why.Notes...)
		e.problems = append(e.problems[:before], Problem{
			Code: "ARC1001", Text: fmt.Sprintf("%s cannot be read at build time", s.Name),
			At: e.p.span(at), Notes: notes, Hint: hintConstant,
		})
	}
	return v, ok
}

// id names a declaration across files: "src/orders.ts#Orders".
func (p *project) id(d *ast.Node, name string) string {
	return p.rel(ast.GetSourceFileOfNode(d).FileName()) + "#" + name
}

func className(n *ast.Node) string {
	if n.Name() == nil {
		return "default"
	}
	return n.Name().Text()
}

// toolFn gives the call if n is `tool.fn(...)`.
func (p *project) toolFn(c interface {
	GetSymbolAtLocation(*ast.Node) *ast.Symbol
}, n *ast.Node) *ast.Node {
	n = ast.SkipOuterExpressions(n, ast.OEKAll)
	if n.Kind != ast.KindCallExpression || n.Expression().Kind != ast.KindPropertyAccessExpression {
		return nil
	}
	if n.Expression().Name().Text() != "fn" {
		return nil
	}
	if s := c.GetSymbolAtLocation(n.Expression()); s != nil && p.fromSDK(s) {
		return n
	}
	return nil
}
