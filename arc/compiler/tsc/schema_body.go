package arctsc

import (
	"regexp"
	"strings"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/checker"
	"github.com/microsoft/typescript-go/internal/jsnum"
)

const (
	hintNamed    = "write the type out, for example an interface with the members you mean"
	hintAny      = "name the members, or write unknown if any JSON value will do"
	hintComment  = "write it on the line above what it describes"
	hintData     = "give it an interface that holds only the data"
	hintFunction = "leave the function out of the type; only data can travel between containers"
)

func typed(name string) keys { return keys{{"type", name}} }

func (g *schemas) body(t *checker.Type) keys {
	f := t.Flags()
	switch {
	case f&checker.TypeFlagsAny != 0:
		g.warn("ARC2002", hintAny, "any says nothing about the value, so nobody checks it")
		return keys{}
	case f&checker.TypeFlagsUnknown != 0:
		return keys{} // any JSON value
	case f&checker.TypeFlagsNever != 0:
		return keys{{"not", keys{}}}
	case f&checker.TypeFlagsUnion != 0:
		return g.union(t)
	case f&(checker.TypeFlagsStringLiteral|checker.TypeFlagsNumberLiteral|checker.TypeFlagsBooleanLiteral) != 0:
		return literalSchema([]any{literal(t)})
	case f&checker.TypeFlagsBigIntLiteral != 0:
		return keys{{"type", "string"}, {"const", literal(t)}, {"x-aria-type", "bigint"}}
	case f&checker.TypeFlagsString != 0:
		return typed("string")
	case f&checker.TypeFlagsEnum != 0:
		return g.enum(t)
	case f&checker.TypeFlagsNumber != 0:
		return typed("number")
	case f&checker.TypeFlagsBoolean != 0:
		return typed("boolean")
	case f&checker.TypeFlagsBigInt != 0:
		return keys{{"type", "string"}, {"pattern", `^-?\d+$`}, {"x-aria-type", "bigint"}}
	case f&(checker.TypeFlagsNull|checker.TypeFlagsVoid|checker.TypeFlagsUndefined) != 0:
		return typed("null")
	case f&checker.TypeFlagsTemplateLiteral != 0:
		return typed("string").with("pattern", "^"+templatePattern(t)+"$")
	case f&checker.TypeFlagsStringMapping != 0:
		return typed("string").with("pattern", "^"+partPattern(t)+"$")
	case f&checker.TypeFlagsNonPrimitive != 0:
		return typed("object") // with whatever members
	case f&checker.TypeFlagsESSymbolLike != 0:
		return g.cannot("ARC2003", "use a string", "a symbol cannot cross")
	case f&checker.TypeFlagsTypeParameter != 0:
		return g.cannot("ARC2006", "a unit's types must be known when it is built: name a concrete type", "the type parameter %s has no concrete type here", g.c.TypeToString(t))
	case f&checker.TypeFlagsIntersection != 0:
		return g.intersection(t)
	case f&checker.TypeFlagsObject != 0:
		return g.object(t)
	}
	return g.cannot("ARC2007", hintNamed, "%s has no form as JSON", g.c.TypeToString(t))
}

func templatePattern(t *checker.Type) string {
	tl := t.AsTemplateLiteralType()
	var b strings.Builder
	for i, s := range tl.Texts() {
		b.WriteString(regexp.QuoteMeta(s))
		if i >= len(tl.Types()) {
			continue
		}
		b.WriteString(partPattern(tl.Types()[i]))
	}
	return b.String()
}

// partPattern matches what can stand in one hole of a template.
func partPattern(t *checker.Type) string {
	switch f := t.Flags(); {
	case f&checker.TypeFlagsNumber != 0:
		return `-?\d+(\.\d+)?([eE][+-]?\d+)?`
	case f&checker.TypeFlagsBigInt != 0:
		return `-?\d+`
	case f&checker.TypeFlagsTemplateLiteral != 0:
		return templatePattern(t)
	case f&checker.TypeFlagsStringMapping != 0:
		if s := t.Symbol(); s != nil && t.AsStringMappingType().Target().Flags()&checker.TypeFlagsString != 0 {
			if p := letterCase[s.Name]; p != "" {
				return p
			}
		}
	}
	return `[\s\S]*`
}

// letterCase is what Uppercase<string> and its kin say.
var letterCase = map[string]string{
	"Uppercase": `[^\p{Ll}]*`, "Lowercase": `[^\p{Lu}]*`, "Capitalize": `([^\p{Ll}][\s\S]*)?`, "Uncapitalize": `([^\p{Lu}][\s\S]*)?`,
}

// builtin knows the rich types of the platform that can cross. Every other
// object type of the platform is refused: its members are not its data.
func (g *schemas) builtin(t *checker.Type) (keys, bool) {
	s := t.Symbol()
	if t.Flags()&checker.TypeFlagsObject == 0 || s == nil || !g.p.lib(s) {
		return nil, false
	}
	if s.Flags&(ast.SymbolFlagsInterface|ast.SymbolFlagsClass) == 0 || g.c.IsArrayType(t) || checker.IsTupleType(t) {
		return nil, false // a mapped type such as Record, or a list
	}
	var args []*checker.Type
	if t.ObjectFlags()&checker.ObjectFlagsReference != 0 {
		args = g.c.GetTypeArguments(t)
	}
	switch s.Name {
	case "Date":
		return keys{{"type", "string"}, {"format", "date-time"}, {"x-aria-type", "date"}}, true
	case "URL":
		return keys{{"type", "string"}, {"format", "uri"}, {"x-aria-type", "url"}}, true
	case "Uint8Array":
		return keys{{"type", "string"}, {"contentEncoding", "base64"}, {"x-aria-type", "bytes"}}, true
	case "Map", "ReadonlyMap":
		if args[0].Flags()&(checker.TypeFlagsString|checker.TypeFlagsTemplateLiteral) != 0 {
			return keys{{"type", "object"}, {"additionalProperties", g.inner(args[1], "*")}, {"x-aria-type", "map"}}, true
		}
		entry := keys{{"type", "array"}, {"prefixItems", []keys{g.inner(args[0], "*"), g.inner(args[1], "*")}}, {"items", false}, {"minItems", 2}}
		out := keys{{"type", "array"}, {"items", entry}, {"x-aria-type", "map"}}
		if !g.closed { // an empty map goes out as {}, whatever its keys would be
			out = out.with("type", []any{"array", "object"}).with("maxProperties", 0)
		}
		return out, true
	case "Set", "ReadonlySet":
		return keys{{"type", "array"}, {"items", g.inner(args[0], "*")}, {"uniqueItems", true}, {"x-aria-type", "set"}}, true
	case "Function", "CallableFunction", "NewableFunction":
		return g.cannot("ARC2001", hintFunction, "a function cannot cross"), true
	case "Promise", "PromiseLike":
		return g.cannot("ARC2005", "await it first and pass the value", "a promise inside a value cannot cross"), true
	case "AsyncGenerator", "AsyncIterable", "AsyncIterableIterator", "Generator", "Iterable", "ReadableStream":
		return g.cannot("ARC2005", "collect it in an array; streams between units are not built yet", "a stream cannot cross"), true
	}
	return g.cannot("ARC2005", "Date, URL, Map, Set and Uint8Array can cross; for others pass the data they hold",
		"%s is a type of the platform that cannot cross", g.c.TypeToString(t)), true
}

// inner is the schema of a part, with its name in the path of a complaint.
func (g *schemas) inner(t *checker.Type, name string) keys {
	g.path = append(g.path, name)
	s := g.schema(t)
	g.path = g.path[:len(g.path)-1]
	return s
}

func literal(t *checker.Type) any {
	switch v := t.AsLiteralType().Value().(type) {
	case string:
		return v
	case bool:
		return v
	case jsnum.Number:
		return float64(v)
	case jsnum.PseudoBigInt:
		return v.String()
	}
	return nil
}

// literalSchema is {"type": "string", "const": …} or the same with an enum.
func literalSchema(values []any) keys {
	var types []any
	seen := map[string]bool{}
	for _, v := range values {
		name := "null"
		switch v.(type) {
		case string:
			name = "string"
		case float64:
			name = "number"
		case bool:
			name = "boolean"
		}
		if !seen[name] {
			seen[name] = true
			types = append(types, name)
		}
	}
	out := keys{{"type", any(types)}}
	if len(types) == 1 {
		out = keys{{"type", types[0]}}
	}
	if len(values) == 1 {
		return out.with("const", values[0])
	}
	return out.with("enum", values)
}
