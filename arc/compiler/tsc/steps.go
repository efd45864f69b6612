package arctsc

import (
	"fmt"
	"slices"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
)

// checkSteps compares what a step's parameters want with what arrives: the
// results of the steps named in `after`, in that order. Names that are no step
// are not its business.
func (x *extraction) checkSteps(n *ast.Node, cls *Class) {
	methods := map[string]*ast.Node{}
	for _, m := range n.Members() {
		if m.Kind == ast.KindMethodDeclaration {
			methods[memberName(m)] = m
		}
	}
	maps := map[string]string{} // steps that run for each element of another's result
	for _, m := range cls.Methods {
		for _, mark := range m.Marks {
			if each, ok := mark.Options.Get("each"); ok && mark.Name == "step" {
				maps[m.Name] = each.String
			}
		}
	}
	for _, m := range cls.Methods {
		for _, mark := range m.Marks {
			after, _ := mark.Options.Get("after")
			list := after.List
			if each := maps[m.Name]; each != "" && !slices.ContainsFunc(list, func(v Value) bool { return v.String == each }) {
				list = slices.Insert(slices.Clone(list), 0, Value{Kind: String, String: each})
			}
			if mark.Name == "step" && len(list) > 0 {
				x.checkStep(methods, methods[m.Name], list, maps)
			}
		}
	}
}

func (x *extraction) checkStep(methods map[string]*ast.Node, step *ast.Node, after []Value, maps map[string]string) {
	params := x.c.GetSignatureFromDeclaration(step).Parameters()
	for i, name := range after {
		from := methods[name.String]
		if from == nil || i >= len(params) {
			continue
		}
		got := x.resultType(from)
		want := x.c.GetTypeOfSymbol(params[i])
		compare, wants := got, want
		if maps[memberName(step)] == name.String {
			compare = x.element(compare)
		}
		if maps[name.String] != "" { // it gives a list of its results
			wants = x.element(wants)
		}
		if compare != nil && wants != nil && x.c.IsTypeAssignableTo(compare, wants) {
			continue
		}
		x.problem = append(x.problem, Problem{
			Code: "ARC1010",
			Text: fmt.Sprintf("step %s gets the result of %s here, which is %s and not %s",
				step.Name().Text(), name.String, x.c.TypeToString(got), x.c.TypeToString(want)),
			At:    x.p.span(params[i].ValueDeclaration),
			Notes: []Note{{Text: "the result comes from here", At: x.p.span(from.Name())}},
			Hint:  "parameters stand in the order of `after`",
		})
	}
}

// element is the type of a list's elements; nil if t is no list.
func (x *extraction) element(t *checker.Type) *checker.Type {
	if !x.c.IsArrayType(t) {
		return nil
	}
	return x.c.GetTypeArguments(t)[0]
}

// stepShape sees that a step's parameters can cross, and gives the schema of its
// result. What a step is given was checked where it came from, so no schema of
// its parameters is kept.
func (x *extraction) stepShape(m *ast.Node, name string) keys {
	sig := x.c.GetSignatureFromDeclaration(m)
	for _, p := range sig.Parameters() {
		x.g.top(x.c.RemoveMissingOrUndefinedType(x.c.GetTypeOfSymbol(p)), false, p.ValueDeclaration, name, p.Name)
	}
	return x.result(m, sig, commentOf(m), name)
}

func (x *extraction) resultType(fn *ast.Node) *checker.Type {
	t := x.c.GetReturnTypeOfSignature(x.c.GetSignatureFromDeclaration(fn))
	if inner := x.c.GetPromisedTypeOfPromise(t); inner != nil {
		return inner
	}
	return t
}
