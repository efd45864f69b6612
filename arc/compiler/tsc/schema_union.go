package arctsc

import (
	"sort"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
	"github.com/microsoft/typescript-go/internal/jsnum"
)

// union sorts its members into literals, plain objects and the rest.
// undefined becomes null: that is what it is once it has crossed.
func (g *schemas) union(t *checker.Type) keys {
	var parts []keys
	var literals, bools []any
	var objects []*checker.Type
	null := false
	for _, m := range t.Types() {
		f := m.Flags()
		switch {
		case f&(checker.TypeFlagsUndefined|checker.TypeFlagsVoid|checker.TypeFlagsNull) != 0:
			null = true
		case f&checker.TypeFlagsBooleanLiteral != 0:
			bools = append(bools, literal(m))
		case f&(checker.TypeFlagsStringLiteral|checker.TypeFlagsNumberLiteral) != 0:
			literals = append(literals, literal(m))
		case f&checker.TypeFlagsObject != 0 && g.plainObject(m), f&checker.TypeFlagsIntersection != 0 && g.plainParts(m):
			objects = append(objects, m)
		default:
			parts = append(parts, g.schema(m))
		}
	}
	switch len(bools) {
	case 1:
		literals = append(literals, bools[0])
	case 2:
		parts = append(parts, typed("boolean"))
	}
	if len(literals) > 0 {
		g.declarationOrder(t, literals)
		if null && len(parts) == 0 && len(objects) == 0 {
			return literalSchema(append(literals, nil))
		}
		parts = append([]keys{literalSchema(literals)}, parts...)
	}
	objectParts := make([]keys, len(objects))
	for i, o := range objects {
		objectParts[i] = g.schema(o)
	}
	if d := g.discriminant(objects); d != "" {
		objectParts = []keys{{{"oneOf", objectParts}, {"discriminator", names{{"propertyName", d}}}}}
	}
	parts = append(parts, objectParts...)
	if null {
		parts = append(parts, typed("null"))
	}
	return anyOf(parts)
}

// anyOf folds parts that say only a type into one list of types.
func anyOf(parts []keys) keys {
	var types []any
	var rest []keys
	for _, p := range parts {
		if name, ok := p.get("type").(string); ok && len(p) == 1 {
			types = append(types, name)
		} else {
			rest = append(rest, p)
		}
	}
	if len(types) == 1 && types[0] == "null" && len(rest) == 1 {
		if name, ok := rest[0].get("type").(string); ok && rest[0].get("enum") == nil && rest[0].get("const") == nil {
			return rest[0].with("type", []any{name, "null"})
		}
	}
	switch len(types) {
	case 0:
	case 1:
		rest = append(rest, keys{{"type", types[0]}})
	default:
		rest = append(rest, keys{{"type", types}})
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return keys{{"anyOf", rest}}
}

// enum is one whose members TypeScript takes for plain numbers, because one of
// them is computed. What can be folded all the same is listed.
func (g *schemas) enum(t *checker.Type) keys {
	var values []any
	e := &folder{p: g.p, c: g.c}
	for _, d := range t.Symbol().Declarations {
		members := []*ast.Node{d}
		if d.Kind == ast.KindEnumDeclaration {
			members = d.Members()
		}
		for _, m := range members {
			v, ok := Value{}, false
			switch c := g.c.GetConstantValue(m).(type) {
			case string:
				v, ok = Value{Kind: String, String: c}, true
			case jsnum.Number:
				v, ok = number(float64(c))
			default:
				if m.Initializer() != nil {
					v, ok = e.fold(m.Initializer())
				}
			}
			data, plain := asJSON(v)
			if !ok || !plain || v.Kind == List || v.Kind == Object {
				return typed("number") // as TypeScript says
			}
			values = append(values, data)
		}
	}
	return literalSchema(values)
}

// declarationOrder puts literals in the order of their enum or alias, where one
// is at hand; the checker's own order is that of first use.
func (g *schemas) declarationOrder(t *checker.Type, literals []any) {
	s := nameSymbol(t)
	if s == nil {
		return
	}
	order := map[any]int{}
	for _, d := range s.Declarations {
		switch d.Kind {
		case ast.KindTypeAliasDeclaration:
			if d.Type().Kind != ast.KindUnionType {
				continue
			}
			for i, m := range d.Type().AsUnionTypeNode().Types.Nodes {
				if m.Kind == ast.KindLiteralType {
					order[literalOfNode(m.AsLiteralTypeNode().Literal)] = i + 1
				}
			}
		case ast.KindEnumDeclaration:
			for i, m := range d.Members() {
				switch v := g.c.GetConstantValue(m).(type) {
				case string:
					order[v] = i + 1
				case jsnum.Number:
					order[float64(v)] = i + 1
				}
			}
		}
	}
	for _, l := range literals {
		if order[l] == 0 {
			return // only a part is declared there: leave the checker's order
		}
	}
	sort.SliceStable(literals, func(i, j int) bool { return order[literals[i]] < order[literals[j]] })
}

func literalOfNode(n *ast.Node) any {
	switch n.Kind {
	case ast.KindStringLiteral, ast.KindNoSubstitutionTemplateLiteral:
		return n.Text()
	case ast.KindNumericLiteral:
		return float64(jsnum.FromString(n.Text()))
	}
	return n // a value that no literal equals
}

// plainParts: an intersection of plain objects is one.
func (g *schemas) plainParts(t *checker.Type) bool {
	for _, m := range t.Types() {
		if m.Flags()&checker.TypeFlagsObject == 0 || !g.plainObject(m) {
			return false
		}
	}
	return true
}

func (g *schemas) plainObject(t *checker.Type) bool {
	if g.c.IsArrayType(t) || checker.IsTupleType(t) {
		return false
	}
	s := t.Symbol()
	return s == nil || t.Alias() != nil || !g.p.lib(s) || s.Flags&(ast.SymbolFlagsInterface|ast.SymbolFlagsClass) == 0
}

// discriminant finds a member whose literals are different in every object.
func (g *schemas) discriminant(objects []*checker.Type) string {
	if len(objects) < 2 {
		return ""
	}
	for _, m := range g.c.GetPropertiesOfType(objects[0]) {
		if g.discriminates(m.Name, objects) {
			return m.Name
		}
	}
	return ""
}

func (g *schemas) discriminates(name string, objects []*checker.Type) bool {
	seen := map[any]bool{}
	for _, t := range objects {
		m := g.c.GetPropertyOfType(t, name)
		if m == nil || m.Flags&ast.SymbolFlagsOptional != 0 {
			return false
		}
		values := []*checker.Type{g.c.GetTypeOfSymbol(m)}
		if values[0].IsUnion() { // kind: 'a' | 'b'
			values = values[0].Types()
		}
		for _, v := range values {
			const lit = checker.TypeFlagsStringLiteral | checker.TypeFlagsNumberLiteral | checker.TypeFlagsBooleanLiteral
			if v.Flags()&lit == 0 || seen[literal(v)] {
				return false
			}
			seen[literal(v)] = true
		}
	}
	return true
}

// intersection of objects is one object; a primitive with a brand stays the
// primitive.
func (g *schemas) intersection(t *checker.Type) keys {
	for _, m := range t.Types() {
		if m.Flags()&(checker.TypeFlagsPrimitive|checker.TypeFlagsTemplateLiteral) != 0 {
			brand := g.c.TypeToString(t)
			if a := t.Alias(); a != nil && a.Symbol() != nil {
				brand = a.Symbol().Name
			}
			return g.schema(m).with("x-aria-brand", brand)
		}
		if g.c.IsArrayType(m) || checker.IsTupleType(m) {
			return g.schema(m)
		}
		if s, ok := g.builtin(m); ok { // a branded Date
			return s
		}
	}
	return g.object(t)
}
