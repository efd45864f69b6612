package arctsc

import (
	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
)

// function reads `export const name = tool.fn(fn, options)`.
func (x *extraction) function(d *ast.Node) {
	if d.Initializer() == nil || d.Name().Kind != ast.KindIdentifier {
		return
	}
	call := x.p.toolFn(x.c, d.Initializer())
	if call == nil || len(call.Arguments()) == 0 {
		return
	}
	name := d.Name().Text()
	f := Function{
		ID: x.p.id(d, name), Name: name, Export: x.exportOf(d),
		At: x.p.span(d.Name()), Doc: commentOf(d).doc(),
		Mark: Mark{Name: "tool", At: x.p.span(call.Expression())},
	}
	args := call.Arguments()
	if len(args) > 1 {
		f.Mark.Options = x.e.toolOptions(args[1])
	}
	body := x.functionBody(args[0])
	if body == nil {
		x.fail(args[0], "ARC1007", "write the function here, or name one declared in this project", "arc cannot see the function that is given to tool.fn")
		return
	}
	at := len(x.facts.Functions)
	doc := d
	if len(d.Parent.Parent.JSDoc(nil)) == 0 {
		doc = body
	}
	if f.Doc.Text == "" {
		f.Doc = commentOf(doc).doc()
	}
	f.Shape = x.shapeWith(body, commentOf(doc), name, given([]Mark{f.Mark}), func(s keys) { x.facts.Functions[at].Output = encode(s) })
	f.Handles, _ = x.reach(body)
	x.facts.Functions = append(x.facts.Functions, f)
}

// functionBody is the function itself, or the declaration that a name stands for.
func (x *extraction) functionBody(n *ast.Node) *ast.Node {
	n = ast.SkipOuterExpressions(n, ast.OEKAll)
	switch n.Kind {
	case ast.KindArrowFunction, ast.KindFunctionExpression:
		return n
	case ast.KindIdentifier:
		s := x.c.GetSymbolAtLocation(n)
		if s == nil {
			return nil
		}
		d := x.c.SkipAlias(s).ValueDeclaration
		if d == nil || !x.p.own(ast.GetSourceFileOfNode(d)) {
			return nil
		}
		switch d.Kind {
		case ast.KindFunctionDeclaration:
			return d
		case ast.KindVariableDeclaration:
			if d.Initializer() != nil && d.Parent.Flags&ast.NodeFlagsConst != 0 {
				return x.functionBody(d.Initializer())
			}
		}
	}
	return nil
}

// sides are those of a tool for which its mark has a schema: types do not count.
type sides struct{ input, output bool }

func given(marks []Mark) (s sides) {
	for _, m := range marks {
		in, _ := m.Options.Get("input")
		out, _ := m.Options.Get("output")
		s.input, s.output = s.input || in.Kind == Schema, s.output || out.Kind == Schema
	}
	return s
}

// shapeWith gives the parameters of a function as one object schema, now, and
// its result's schema, later, to output.
func (x *extraction) shapeWith(fn *ast.Node, doc comment, name string, has sides, output func(keys)) Shape {
	sig := x.c.GetSignatureFromDeclaration(fn)
	if !has.output {
		x.outputs = append(x.outputs, func() { output(x.result(fn, sig, doc, name)) })
	}
	if has.input {
		return Shape{}
	}
	var out Shape
	props := names{}
	var required []any
	for i, p := range sig.Parameters() {
		d := p.ValueDeclaration
		param := d.AsParameterDeclaration()
		pname := p.Name
		if d.Name().Kind != ast.KindIdentifier { // get({ id }: { id: string })
			pname = "input"
			if i > 0 {
				x.fail(d, "ARC1008", "give the parameter a name and take it apart in the body", "this parameter has no name, and its caller needs one")
			}
		}
		s, optional := x.param(d, p, pname, name)
		if c := doc.params[pname]; c != nil {
			s = x.g.apply(*c, s)
		}
		props = append(props, pair{pname, s})
		out.Params = append(out.Params, Param{Name: pname, At: x.p.span(d)})
		if param.DotDotDotToken != nil {
			out.Rest = true
		} else if !optional {
			required = append(required, pname)
		}
	}
	input := typed("object").with("properties", props)
	if len(props) == 0 {
		input = typed("object")
	}
	if len(required) > 0 {
		input = input.with("required", required)
	}
	out.Input = encode(input.with("additionalProperties", false))
	return out
}

func (x *extraction) param(d *ast.Node, p *ast.Symbol, pname, name string) (s keys, optional bool) {
	t := x.c.GetTypeOfSymbol(p)
	optional = d.AsParameterDeclaration().QuestionToken != nil || d.Initializer() != nil || hasUndefined(t)
	t = x.c.RemoveMissingOrUndefinedType(t)
	if init := d.Initializer(); init != nil && d.Type() == nil && t.Flags()&checker.TypeFlagsAny != 0 {
		// An argument of tool.fn is typed by its context, which knows nothing.
		t = x.c.GetWidenedType(x.c.GetBaseTypeOfLiteralType(x.c.GetTypeAtLocation(init)))
	}
	x.g.closed, x.g.at, x.g.path = true, d, []string{name, pname}
	s = x.g.written(t, d.Type())
	if init := d.Initializer(); init != nil {
		// A default that cannot be read is still a default: the parameter is
		// optional and the code fills it in.
		probe := &folder{p: x.p, c: x.c}
		if v, ok := probe.fold(init); ok {
			if data, ok := asJSON(v); ok {
				s = s.with("default", data)
			}
		}
	}
	return s, optional
}

// promised is the X of a written Promise<X>.
func promised(n *ast.Node) *ast.Node {
	if n == nil || n.Kind != ast.KindTypeReference || len(n.TypeArguments()) != 1 {
		return n
	}
	return n.TypeArguments()[0]
}

func (x *extraction) result(fn *ast.Node, sig *checker.Signature, doc comment, name string) keys {
	t := x.c.GetReturnTypeOfSignature(sig)
	if inner := x.c.GetPromisedTypeOfPromise(t); inner != nil {
		t = inner
	}
	at := fn
	if fn.Type() != nil {
		at = fn.Type()
	} else if fn.Name() != nil {
		at = fn.Name()
	}
	x.g.closed, x.g.at, x.g.path = false, at, []string{name, "result"}
	s := x.g.written(t, promised(fn.Type()))
	if doc.returns != nil {
		s = x.g.apply(*doc.returns, s)
	}
	return s
}
