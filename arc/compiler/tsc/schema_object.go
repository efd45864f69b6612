package arctsc

import (
	"slices"
	"strings"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
)

func (g *schemas) object(t *checker.Type) keys {
	switch {
	case checker.IsTupleType(t):
		return g.tuple(t)
	case g.c.IsArrayType(t):
		return typed("array").with("items", g.inner(g.c.GetTypeArguments(t)[0], "*"))
	case g.c.TypeHasCallOrConstructSignatures(t):
		return g.cannot("ARC2001", hintFunction, "a function cannot cross")
	}
	if s, ok := g.extendsPlatform(t); ok {
		return s
	}
	props := names{}
	var required []any
	for _, m := range g.c.GetPropertiesOfType(t) {
		s, optional, ok := g.member(t, m)
		if !ok {
			continue
		}
		props = append(props, pair{m.Name, s})
		if !optional {
			required = append(required, m.Name)
		}
	}
	out := typed("object")
	if len(props) > 0 {
		out = out.with("properties", props)
	}
	if len(required) > 0 {
		out = out.with("required", required)
	}
	if len(props) == 0 && g.anything(t) {
		return out
	}
	return g.indexes(t, out)
}

// extendsPlatform: a type of the author's that extends a list is that list; one
// that extends anything else of the platform holds what is no data.
func (g *schemas) extendsPlatform(t *checker.Type) (keys, bool) {
	if t.ObjectFlags()&(checker.ObjectFlagsClassOrInterface|checker.ObjectFlagsReference) == 0 {
		return nil, false
	}
	for _, base := range g.c.GetBaseTypes(target(t)) {
		s := base.Symbol()
		if s == nil || !g.p.lib(s) || s.Flags&(ast.SymbolFlagsInterface|ast.SymbolFlagsClass) == 0 || base.Alias() != nil {
			continue
		}
		if s.Name == "Object" {
			continue
		}
		if !g.c.IsArrayLikeType(t) || s.Name != "Array" && s.Name != "ReadonlyArray" {
			return g.cannot("ARC2005", hintData, "%s extends %s of the platform, which cannot cross", g.c.TypeToString(t), s.Name), true
		}
		for _, i := range g.c.GetIndexInfosOfType(t) {
			if i.KeyType().Flags()&checker.TypeFlagsNumber != 0 {
				return typed("array").with("items", g.inner(i.ValueType(), "*")), true
			}
		}
	}
	return nil, false
}

// anything: a written {} asks for an object and says nothing of its members; an
// empty interface or class says that it has none.
func (g *schemas) anything(t *checker.Type) bool {
	s := t.Symbol()
	return t.Alias() == nil && len(g.c.GetIndexInfosOfType(t)) == 0 && s != nil && s.Flags&ast.SymbolFlagsTypeLiteral != 0 &&
		len(g.c.GetPropertiesOfType(t)) == 0
}

// member is the schema of one property; ok is false if it is not data.
func (g *schemas) member(t *checker.Type, m *ast.Symbol) (s keys, optional, ok bool) {
	old := g.at
	defer func() { g.at = old }()
	var d *ast.Node
	if len(m.Declarations) > 0 {
		if d = m.Declarations[0]; g.p.own(ast.GetSourceFileOfNode(d)) {
			g.at = d
			if lostComment(d) {
				g.warn("ARC2014", hintComment, "nobody reads this comment, because it does not begin its line")
			}
		}
	}
	g.path = append(g.path, m.Name)
	defer func() { g.path = g.path[:len(g.path)-1] }()

	mt := g.c.GetTypeOfSymbol(m)
	if g.behaviour(t, m, g.c.GetNonNullableType(mt)) {
		return nil, false, false
	}
	if mt.Flags()&(checker.TypeFlagsUndefined|checker.TypeFlagsVoid) != 0 {
		return nil, false, false // never there once it has crossed
	}
	if doc := commentOfSymbol(m); doc.has("ignore") {
		return nil, false, false // the author keeps it to this side
	}
	optional = m.Flags&ast.SymbolFlagsOptional != 0 || hasUndefined(mt)
	mt = g.present(mt)
	if mt.Flags()&checker.TypeFlagsNever != 0 {
		return nil, false, false // no value fits, so it can only be absent
	}
	var written *ast.Node
	if d != nil && (d.Kind == ast.KindPropertySignature || d.Kind == ast.KindPropertyDeclaration || d.Kind == ast.KindParameter) {
		written = d.Type()
	}
	return g.apply(commentOfSymbol(m), g.written(mt, written)), optional, true
}

// behaviour refuses members that are not data, and says so.
func (g *schemas) behaviour(t *checker.Type, m *ast.Symbol, mt *checker.Type) bool {
	const hidden = ast.ModifierFlagsPrivate | ast.ModifierFlagsProtected
	class := t.Symbol() != nil && t.Symbol().Flags&ast.SymbolFlagsClass != 0
	switch {
	case strings.HasPrefix(m.Name, internalName+"#") || checker.GetDeclarationModifierFlagsFromSymbol(m)&hidden != 0:
		g.path[len(g.path)-1] = m.Name[strings.LastIndexByte(m.Name, '@')+1:] // a private name has a number before @
		g.cannot("ARC2004", hintData, "%s is a class with private state, which cannot cross", g.c.TypeToString(t))
	case strings.HasPrefix(m.Name, internalName):
		g.path = append(g.path[:len(g.path)-1], "[symbol]")
		g.cannot("ARC2003", "use a member with a plain name", "a member named by a symbol cannot cross")
	case class && !g.closed && m.Flags&(ast.SymbolFlagsMethod|ast.SymbolFlagsAccessor) != 0:
		g.path = g.path[:len(g.path)-1]
		g.warn("ARC2013", hintData, "only the data of "+g.c.TypeToString(t)+" crosses: "+m.Name+" stays behind")
		g.path = append(g.path, m.Name)
	case class && m.Flags&(ast.SymbolFlagsMethod|ast.SymbolFlagsAccessor) != 0:
		g.cannot("ARC2004", hintData, "%s is a class with behaviour, which cannot cross", g.c.TypeToString(t))
	case m.Flags&ast.SymbolFlagsMethod != 0 || g.c.TypeHasCallOrConstructSignatures(mt):
		g.cannot("ARC2001", hintFunction, "a function cannot cross")
	default:
		return false
	}
	return true
}

func hasUndefined(t *checker.Type) bool {
	const absent = checker.TypeFlagsUndefined | checker.TypeFlagsVoid
	return t.IsUnion() && slices.ContainsFunc(t.Types(), func(m *checker.Type) bool { return m.Flags()&absent != 0 })
}

// present is what a member is when it is there.
func (g *schemas) present(t *checker.Type) *checker.Type {
	t = g.c.RemoveMissingOrUndefinedType(t)
	if !hasUndefined(t) {
		return t
	}
	isVoid := func(m *checker.Type) bool { return m.Flags()&checker.TypeFlagsVoid != 0 }
	return g.c.GetUnionType(slices.DeleteFunc(slices.Clone(t.Types()), isVoid))
}

// indexes adds what Record<…> and index signatures say.
func (g *schemas) indexes(t *checker.Type, out keys) keys {
	var rest any
	if g.closed {
		rest = false
	}
	patterns := names{}
	for _, i := range g.c.GetIndexInfosOfType(t) {
		switch f := i.KeyType().Flags(); {
		case f&checker.TypeFlagsString != 0:
			rest = g.inner(g.present(i.ValueType()), "*")
		case f&checker.TypeFlagsNumber != 0:
			patterns = append(patterns, pair{`^-?\d+(\.\d+)?$`, g.inner(g.present(i.ValueType()), "*")})
		case f&checker.TypeFlagsTemplateLiteral != 0:
			patterns = append(patterns, pair{"^" + templatePattern(i.KeyType()) + "$", g.inner(g.present(i.ValueType()), "*")})
		default:
			g.cannot("ARC2003", "use string keys", "an index by symbol cannot cross")
		}
	}
	if len(patterns) > 0 {
		out = out.with("patternProperties", patterns)
	}
	if rest != nil {
		out = out.with("additionalProperties", rest)
	}
	return out
}

func (g *schemas) tuple(t *checker.Type) keys {
	target, args := t.TargetTupleType(), g.c.GetTypeArguments(t)
	var prefix []keys
	least := 0
	out := typed("array")
	for i, info := range target.ElementInfos() {
		flags := target.ElementFlags()[i]
		if flags&(checker.ElementFlagsRest|checker.ElementFlagsVariadic) != 0 {
			if i != len(args)-1 {
				return g.cannot("ARC2007", "put the rest element last", "%s has its rest element in the middle, which has no form as JSON", g.c.TypeToString(t))
			}
			out = out.with("items", g.inner(args[i], "*"))
			continue
		}
		s := g.inner(g.c.RemoveMissingOrUndefinedType(args[i]), "*")
		if d := info.LabeledDeclaration(); d != nil && d.Name() != nil {
			s = s.with("title", d.Name().Text())
		}
		prefix = append(prefix, s)
		if flags&checker.ElementFlagsRequired != 0 {
			least++
		}
	}
	if len(prefix) > 0 {
		out = out.with("prefixItems", prefix)
	}
	if out.get("items") == nil {
		out = out.with("items", false)
	}
	if least > 0 {
		out = out.with("minItems", least)
	}
	return out
}

// written prefers the type as the author wrote it, because an alias of a
// primitive (type Cents = number, with a comment) is gone from the type itself.
func (g *schemas) written(t *checker.Type, n *ast.Node) keys {
	if n != nil {
		if nt := g.c.GetTypeFromTypeNode(n); nt == t || g.c.RemoveMissingOrUndefinedType(nt) == t {
			return g.node(n, t)
		}
	}
	return g.schema(t)
}

func (g *schemas) node(n *ast.Node, t *checker.Type) keys {
	if g.depth++; g.depth > 60 { // an alias that leads back to itself; schema finds its name
		g.depth--
		return g.schema(t)
	}
	defer func() { g.depth-- }()
	switch n.Kind {
	case ast.KindParenthesizedType:
		return g.node(n.Type(), t)
	case ast.KindArrayType:
		if el := n.AsArrayTypeNode().ElementType; g.c.IsArrayType(t) {
			return typed("array").with("items", g.innerNode(el))
		}
	case ast.KindUnionType:
		if s, ok := g.writtenUnion(n, t); ok {
			return s
		}
	case ast.KindTypeOperator: // readonly T[]
		if op := n.AsTypeOperatorNode(); op.Operator == ast.KindReadonlyKeyword {
			return g.node(op.Type, t)
		}
	case ast.KindTypeReference:
		if s, ok := g.reference(n, t); ok {
			return s
		}
	}
	return g.schema(t)
}

// integerNames are aliases of number that say what they mean: type Integer = number.
var integerNames = set("integer", "Integer", "int", "Int")

// reference is a written name, if the type alone would say less: an alias that is
// gone from the type, or a list or record whose parts are such aliases.
func (g *schemas) reference(n *ast.Node, t *checker.Type) (keys, bool) {
	s := g.c.GetSymbolAtLocation(n.AsTypeReferenceNode().TypeName)
	if s == nil {
		return nil, false
	}
	s = g.c.SkipAlias(s)
	args := n.TypeArguments()
	if g.p.lib(s) {
		switch {
		case (s.Name == "Array" || s.Name == "ReadonlyArray") && len(args) == 1 && g.c.IsArrayType(t):
			return typed("array").with("items", g.innerNode(args[0])), true
		case s.Name == "Record" && len(args) == 2 && g.c.GetTypeFromTypeNode(args[0]).Flags()&checker.TypeFlagsString != 0:
			out := typed("object").with("additionalProperties", g.innerNode(args[1]))
			if k := g.innerNode(args[0]); len(k) > 1 {
				out = out.with("propertyNames", k)
			}
			return out, true
		}
		return nil, false
	}
	if s.Flags&ast.SymbolFlagsTypeAlias == 0 || args != nil || t.Alias() != nil && t.Alias().Symbol() == s {
		return nil, false
	}
	for _, d := range s.Declarations {
		if d.Kind == ast.KindTypeAliasDeclaration {
			out := g.written(t, d.Type())
			if integerNames[s.Name] && out.get("type") == "number" {
				out = out.with("type", "integer")
			}
			return g.apply(commentOf(d), out), true
		}
	}
	return nil, false
}

// innerNode is inner for a part that is written out.
func (g *schemas) innerNode(n *ast.Node) keys {
	g.path = append(g.path, "*")
	s := g.node(n, g.c.GetTypeFromTypeNode(n))
	g.path = g.path[:len(g.path)-1]
	return s
}

// writtenUnion keeps the author's order and the members' own comments, for a
// union of primitives that has no name.
func (g *schemas) writtenUnion(n *ast.Node, t *checker.Type) (keys, bool) {
	const lit = checker.TypeFlagsStringLiteral | checker.TypeFlagsNumberLiteral
	if t.Alias() != nil {
		return nil, false
	}
	var parts []keys
	var literals []any
	for _, m := range n.AsUnionTypeNode().Types.Nodes {
		mt := g.c.GetTypeFromTypeNode(m)
		switch f := mt.Flags(); {
		case f&(checker.TypeFlagsUndefined|checker.TypeFlagsVoid) != 0:
		case f&lit != 0 && f&checker.TypeFlagsEnumLiteral == 0:
			literals = append(literals, literal(mt))
		case f&checker.TypeFlagsPrimitive == 0 || mt.IsUnion():
			return nil, false
		default:
			parts = append(parts, g.node(m, mt))
		}
	}
	if len(literals) > 0 {
		if len(parts) == 1 && parts[0].get("type") == "null" {
			return literalSchema(append(literals, nil)), true
		}
		parts = append([]keys{literalSchema(literals)}, parts...)
	}
	if len(parts) == 0 {
		return nil, false
	}
	return anyOf(parts), true
}
