package arctsc

import (
	"github.com/microsoft/typescript-go/internal/ast"
)

// mutators are methods of arrays that change them.
var mutators = set("push", "pop", "shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin")

// changers are functions of Object that change their first argument.
var changers = set("assign", "defineProperty", "defineProperties", "setPrototypeOf")

// mutated gives the place where a constant's object or list is changed, or nil.
// Such a constant is none: what it holds depends on what has run.
func (e *folder) mutated(s *ast.Symbol) *ast.Node {
	if e.p.changes == nil {
		e.p.changes = map[*ast.Symbol]*ast.Node{}
		for _, f := range e.p.program.SourceFiles() {
			if e.p.own(f) {
				e.findChanges(f.AsNode())
			}
		}
	}
	return e.p.changes[s]
}

func (e *folder) findChanges(n *ast.Node) {
	n.ForEachChild(func(c *ast.Node) bool {
		switch c.Kind {
		case ast.KindBinaryExpression:
			if b := c.AsBinaryExpression(); ast.IsAssignmentOperator(b.OperatorToken.Kind) {
				e.changed(b.Left, c)
			}
		case ast.KindPrefixUnaryExpression:
			if u := c.AsPrefixUnaryExpression(); u.Operator == ast.KindPlusPlusToken || u.Operator == ast.KindMinusMinusToken {
				e.changed(u.Operand, c)
			}
		case ast.KindPostfixUnaryExpression:
			e.changed(c.AsPostfixUnaryExpression().Operand, c)
		case ast.KindDeleteExpression:
			e.changed(c.Expression(), c)
		case ast.KindCallExpression:
			e.changedByCall(c)
		}
		e.findChanges(c)
		return false
	})
}

func (e *folder) changedByCall(c *ast.Node) {
	callee := ast.SkipOuterExpressions(c.Expression(), ast.OEKAll)
	if callee.Kind != ast.KindPropertyAccessExpression {
		return
	}
	name, on := callee.Name().Text(), callee.Expression()
	if mutators[name] {
		e.changed(callee, c)
	}
	if changers[name] && on.Kind == ast.KindIdentifier && on.Text() == "Object" && len(c.Arguments()) > 0 {
		if arg := ast.SkipOuterExpressions(c.Arguments()[0], ast.OEKAll); arg.Kind == ast.KindIdentifier {
			e.note(arg, c)
		} else {
			e.changed(arg, c)
		}
	}
}

// changed notes the name at the root of a.b[c], if n is such an access.
func (e *folder) changed(n, where *ast.Node) {
	n = ast.SkipOuterExpressions(n, ast.OEKAll)
	if n.Kind != ast.KindPropertyAccessExpression && n.Kind != ast.KindElementAccessExpression {
		return // the name itself is a const, which TypeScript guards
	}
	for n.Kind == ast.KindPropertyAccessExpression || n.Kind == ast.KindElementAccessExpression {
		// Through a namespace import the constant is ns.name.
		if n.Kind == ast.KindPropertyAccessExpression {
			e.note(n, where)
		}
		n = ast.SkipOuterExpressions(n.Expression(), ast.OEKAll)
	}
	e.note(n, where)
}

func (e *folder) note(n, where *ast.Node) {
	s := e.c.GetSymbolAtLocation(n)
	if s == nil {
		return
	}
	s = e.c.SkipAlias(s)
	if d := s.ValueDeclaration; d != nil && d.Kind == ast.KindVariableDeclaration && e.p.changes[s] == nil {
		e.p.changes[s] = where
	}
}
