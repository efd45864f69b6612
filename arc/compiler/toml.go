package compiler

import (
	"sort"
	"strings"

	"github.com/microsoft/typescript-go/arctsc"
)

// fromTOML is a value of aria.toml in the form of a folded constant. What TOML
// has and an option never is (a date) becomes Null, which no reader takes.
func fromTOML(v any) arctsc.Value {
	out := arctsc.Value{Kind: arctsc.Null, At: arctsc.Span{File: "aria.toml"}}
	switch x := v.(type) {
	case string:
		out.Kind, out.String = arctsc.String, x
	case bool:
		out.Kind, out.Bool = arctsc.Bool, x
	case int64:
		out.Kind, out.Number = arctsc.Number, float64(x)
	case int:
		out.Kind, out.Number = arctsc.Number, float64(x)
	case float64:
		out.Kind, out.Number = arctsc.Number, x
	case []any:
		out.Kind = arctsc.List
		for _, e := range x {
			out.List = append(out.List, fromTOML(e))
		}
	case map[string]any:
		out.Kind = arctsc.Object
		for _, k := range sortedKeys(x) {
			out.Fields = append(out.Fields, arctsc.Field{Name: k, Value: fromTOML(x[k])})
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (u *units) allNames() string {
	names := sortedKeys(u.at)
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return strings.Join(names, ", ")
}
