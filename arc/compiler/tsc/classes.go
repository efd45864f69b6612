package arctsc

import (
	"strings"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
)

// class reads a class if it has marks or extends a unit of the SDK.
func (x *extraction) class(n *ast.Node) {
	t := x.c.GetDeclaredTypeOfSymbol(x.c.GetMergedSymbol(n.Symbol()))
	base := x.unitBase(t)
	cls := Class{
		Name: className(n), ID: x.p.id(n, className(n)), Marks: x.marks(n),
		At: x.p.span(nameOr(n)), Doc: commentOf(n).doc(), Export: x.exportOf(n),
		Abstract: ast.HasSyntacticModifier(n, ast.ModifierFlagsAbstract),
	}
	for _, m := range n.Members() {
		x.classMember(&cls, m)
	}
	if base == nil && len(cls.Marks) == 0 && len(cls.Methods) == 0 {
		return
	}
	x.checkSteps(n, &cls)
	cls.NeedsArgs = x.needsArgs(n)
	cls.Handles, cls.Uses = x.reach(n)
	at := len(x.facts.Classes)
	x.facts.Classes = append(x.facts.Classes, cls)
	if base != nil && len(cls.Marks) > 0 {
		x.unitTypes(at, n, base)
	}
}

func (x *extraction) classMember(cls *Class, m *ast.Node) {
	switch m.Kind {
	case ast.KindMethodDeclaration:
		name := memberName(m)
		cls.HasRun = cls.HasRun || name == "run"
		marks := x.marks(m)
		if len(marks) == 0 {
			return
		}
		if name == "" {
			x.fail(m.Name(), "ARC1009", "write the name out", "a unit cannot have a computed name")
			return
		}
		if lostComment(m) {
			x.problem = append(x.problem, Problem{Code: "ARC2014", Text: "nobody reads this method's comment, because it does not begin its line",
				At: x.p.span(m.Name()), Hint: hintComment, Warning: true})
		}
		const hidden = ast.ModifierFlagsPrivate | ast.ModifierFlagsProtected
		method := Method{
			Name: name, At: x.p.span(m.Name()), Doc: commentOf(m).doc(), Marks: marks,
			Static: ast.HasSyntacticModifier(m, ast.ModifierFlagsStatic),
			Hidden: ast.HasSyntacticModifier(m, hidden) || strings.HasPrefix(name, "#"),
		}
		class, index := len(x.facts.Classes), len(cls.Methods)
		output := func(s keys) { x.facts.Classes[class].Methods[index].Output = encode(s) }
		if onlySteps(marks) {
			x.outputs = append(x.outputs, func() { output(x.stepShape(m, name)) })
		} else {
			method.Shape = x.shapeWith(m, commentOf(m), name, given(marks), output)
		}
		cls.Methods = append(cls.Methods, method)
	case ast.KindPropertyDeclaration:
		if memberName(m) == "instructions" && m.Initializer() != nil && len(cls.Marks) > 0 {
			if v, ok := x.e.fold(m.Initializer()); ok {
				cls.Instructions = &v
			}
		}
	}
}

// memberName is the written name of a member; a computed one has none.
func memberName(m *ast.Node) string {
	switch n := m.Name(); n.Kind {
	case ast.KindIdentifier, ast.KindPrivateIdentifier, ast.KindStringLiteral, ast.KindNumericLiteral:
		return n.Text()
	}
	return ""
}

func onlySteps(marks []Mark) bool {
	for _, m := range marks {
		if m.Name != "step" {
			return false
		}
	}
	return true
}

// unitBase finds Agent, Team or Pipeline among a class's bases, at any distance.
func (x *extraction) unitBase(t *checker.Type) *checker.Type {
	for depth := 0; t != nil && depth < 20; depth++ {
		if t.ObjectFlags()&checker.ObjectFlagsClassOrInterface == 0 && t.ObjectFlags()&checker.ObjectFlagsReference == 0 {
			return nil
		}
		bases := x.c.GetBaseTypes(target(t))
		if len(bases) == 0 {
			return nil
		}
		t = bases[0]
		if s := t.Symbol(); s != nil && x.p.fromSDK(s) {
			return t
		}
	}
	return nil
}

// target is the declared form of a reference: Base<string> gives Base<T>.
func target(t *checker.Type) *checker.Type {
	if t.ObjectFlags()&checker.ObjectFlagsReference != 0 {
		return t.Target()
	}
	return t
}

func (x *extraction) unitTypes(at int, n *ast.Node, base *checker.Type) {
	cls := &x.facts.Classes[at]
	cls.Base = base.Symbol().Name
	args := x.g.typeArgs(base)
	if len(args) < 2 {
		return
	}
	in, out := n.Name(), n.Name()
	if written := heritageArgs(n); len(written) == 2 {
		in, out = written[0], written[1]
	}
	input := x.g.top(args[0], true, nonNil(in, n), cls.Name, "input")
	cls.Input = encode(input)
	x.outputs = append(x.outputs, func() {
		// What a model has to write is held to its members; what code returns is not.
		closed := cls.Base != "Pipeline"
		s := x.g.top(args[1], closed, nonNil(out, n), x.facts.Classes[at].Name, "output")
		x.facts.Classes[at].Output = encode(s)
	})
}

func nonNil(n, or *ast.Node) *ast.Node {
	if n == nil {
		return or
	}
	return n
}

func nameOr(n *ast.Node) *ast.Node { return nonNil(n.Name(), n) }

// heritageArgs are the types written after extends.
func heritageArgs(n *ast.Node) []*ast.Node {
	e := extends(n)
	if e == nil {
		return nil
	}
	return e.TypeArguments()
}

// extends is the `Base<A, B>` of a class.
func extends(n *ast.Node) *ast.Node {
	clauses := n.ClassLikeData().HeritageClauses
	if clauses == nil {
		return nil
	}
	for _, h := range clauses.Nodes {
		if hc := h.AsHeritageClause(); hc.Token == ast.KindExtendsKeyword && len(hc.Types.Nodes) > 0 {
			return hc.Types.Nodes[0]
		}
	}
	return nil
}

// needsArgs tells whether `new C()` is an error.
func (x *extraction) needsArgs(n *ast.Node) bool {
	t := x.c.GetTypeOfSymbol(x.c.GetMergedSymbol(n.Symbol()))
	for _, s := range x.c.GetSignaturesOfType(t, checker.SignatureKindConstruct) {
		if s.MinArgumentCount() == 0 {
			return false
		}
	}
	return len(x.c.GetSignaturesOfType(t, checker.SignatureKindConstruct)) > 0
}
