package arctsc

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
	"github.com/microsoft/typescript-go/internal/jsnum"
)

const hintConstant = "arc reads this without running your code: write a literal, or a const made of literals"

// folder turns expressions into values without running any code.
type folder struct {
	p        *project
	c        *checker.Checker
	problems []Problem
	depth    int
	schemas  bool // members "input" and "output" are left as they stand
}

// toolOptions reads the options of a tool, in which schemas may stand.
func (e *folder) toolOptions(n *ast.Node) Value {
	e.schemas = true
	defer func() { e.schemas = false }()
	v, _ := e.fold(n)
	return v
}

func (e *folder) fail(n *ast.Node, format string, args ...any) (Value, bool) {
	e.problems = append(e.problems, Problem{
		Code: "ARC1001", Text: fmt.Sprintf(format, args...), At: e.p.span(n), Hint: hintConstant,
	})
	return Value{}, false
}

// fold reads one expression. It reports why it could not, once.
func (e *folder) fold(n *ast.Node) (Value, bool) {
	if e.depth > 100 {
		return e.fail(n, "this constant is nested too deeply, or refers to itself")
	}
	e.depth++
	defer func() { e.depth-- }()
	at := n
	n = ast.SkipOuterExpressions(n, ast.OEKAll)
	v, ok := e.kind(n)
	v.At = e.p.span(at)
	return v, ok
}

func (e *folder) kind(n *ast.Node) (Value, bool) {
	switch n.Kind {
	case ast.KindStringLiteral, ast.KindNoSubstitutionTemplateLiteral:
		return Value{Kind: String, String: n.Text()}, true
	case ast.KindNumericLiteral:
		return number(float64(jsnum.FromString(n.Text())))
	case ast.KindTrueKeyword, ast.KindFalseKeyword:
		return Value{Kind: Bool, Bool: n.Kind == ast.KindTrueKeyword}, true
	case ast.KindNullKeyword:
		return Value{Kind: Null}, true
	case ast.KindTemplateExpression:
		return e.template(n)
	case ast.KindPrefixUnaryExpression:
		return e.unary(n)
	case ast.KindBinaryExpression:
		return e.binary(n)
	case ast.KindConditionalExpression:
		c := n.AsConditionalExpression()
		v, ok := e.fold(c.Condition)
		if !ok {
			return v, false
		}
		if truthy(v) {
			return e.fold(c.WhenTrue)
		}
		return e.fold(c.WhenFalse)
	case ast.KindArrayLiteralExpression:
		return e.list(n)
	case ast.KindObjectLiteralExpression:
		return e.object(n)
	case ast.KindIdentifier:
		if n.Text() == "undefined" {
			return Value{}, true
		}
		return e.symbol(e.c.GetSymbolAtLocation(n), n)
	case ast.KindPropertyAccessExpression, ast.KindElementAccessExpression:
		return e.access(n)
	case ast.KindCallExpression:
		return e.call(n)
	case ast.KindArrowFunction, ast.KindFunctionExpression:
		return e.fail(n, "a function cannot be read at build time")
	}
	return e.fail(n, "this expression cannot be read at build time")
}

// call reads the call of a handle function, as in net(host, { auth: secret(name) }).
func (e *folder) call(n *ast.Node) (Value, bool) {
	s := e.c.GetSymbolAtLocation(n.Expression())
	if s != nil {
		s = e.c.SkipAlias(s)
	}
	if s == nil || !e.p.fromSDK(s) || !slices.Contains(e.p.in.Handles, s.Name) {
		return e.fail(n, "a call cannot be read at build time")
	}
	out := Value{Kind: Call, String: s.Name}
	for _, a := range n.Arguments() {
		v, ok := e.fold(a)
		if !ok {
			return v, false
		}
		out.List = append(out.List, v)
	}
	return out, true
}

func number(f float64) (Value, bool) { return Value{Kind: Number, Number: f}, true }

func (e *folder) template(n *ast.Node) (Value, bool) {
	t := n.AsTemplateExpression()
	out := t.Head.Text()
	for _, s := range t.TemplateSpans.Nodes {
		v, ok := e.fold(s.Expression())
		if !ok {
			return v, false
		}
		text, ok := asText(v)
		if !ok {
			return e.fail(s.Expression(), "only strings, numbers and booleans can stand in this template")
		}
		out += text + s.AsTemplateSpan().Literal.Text()
	}
	return Value{Kind: String, String: out}, true
}

func (e *folder) unary(n *ast.Node) (Value, bool) {
	u := n.AsPrefixUnaryExpression()
	v, ok := e.fold(u.Operand)
	if !ok {
		return v, false
	}
	switch {
	case v.Kind == Number && u.Operator == ast.KindMinusToken:
		return number(-v.Number)
	case v.Kind == Number && u.Operator == ast.KindPlusToken:
		return v, true
	case u.Operator == ast.KindExclamationToken:
		return Value{Kind: Bool, Bool: !truthy(v)}, true
	}
	return e.fail(n, "this operator cannot be read at build time")
}

func (e *folder) binary(n *ast.Node) (Value, bool) {
	b := n.AsBinaryExpression()
	l, ok := e.fold(b.Left)
	if !ok {
		return l, false
	}
	r, ok := e.fold(b.Right)
	if !ok {
		return r, false
	}
	if b.OperatorToken.Kind == ast.KindQuestionQuestionToken {
		if l.Kind == Null || l.Kind == Undefined {
			return r, true
		}
		return l, true
	}
	if l.Kind == Number && r.Kind == Number {
		switch b.OperatorToken.Kind {
		case ast.KindPlusToken:
			return number(l.Number + r.Number)
		case ast.KindMinusToken:
			return number(l.Number - r.Number)
		case ast.KindAsteriskToken:
			return number(l.Number * r.Number)
		case ast.KindSlashToken:
			if r.Number != 0 {
				return number(l.Number / r.Number)
			}
		}
	} else if b.OperatorToken.Kind == ast.KindPlusToken && (l.Kind == String || r.Kind == String) {
		ls, ok1 := asText(l)
		rs, ok2 := asText(r)
		if ok1 && ok2 {
			return Value{Kind: String, String: ls + rs}, true
		}
	}
	return e.fail(n, "this operator cannot be read at build time")
}

func asText(v Value) (string, bool) {
	switch v.Kind {
	case String:
		return v.String, true
	case Number:
		return jsnum.Number(v.Number).String(), true
	case Bool:
		return strconv.FormatBool(v.Bool), true
	}
	return "", false
}

func truthy(v Value) bool {
	switch v.Kind {
	case Undefined, Null:
		return false
	case Bool:
		return v.Bool
	case String:
		return v.String != ""
	case Number:
		return v.Number != 0 && v.Number == v.Number
	}
	return true
}
