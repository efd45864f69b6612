package execution

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func cutRef(ref string) (string, bool) {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name), ok
}

// takes names the properties of the schema, for the hint.
func (s *shape) takes() string {
	node := s.follow(s.tree)
	props, _ := node["properties"].(map[string]any)
	if len(props) == 0 {
		return s.unit + " takes no input"
	}
	required, _ := node["required"].([]any)
	var names []string
	for name := range props {
		if !slices.Contains(required, any(name)) {
			name += "?"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return s.unit + " takes {" + strings.Join(names, ", ") + "}"
}

// complain says in one sentence where a value is wrong and what was expected.
func (s *shape) complain(err error, code fault.Code, hint string) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return fault.Wrap(err, code, "the %s does not fit the schema", s.side).WithHint("%s", hint)
	}
	v = worst(v)
	at := s.side
	for i, step := range v.InstanceLocation {
		if i == 0 {
			at += " "
		}
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	return fault.New(code, "%s: %s", at, expected(v.ErrorKind)).WithHint("%s", hint)
}

// worst is the complaint that says most: the deepest of the first branch that
// got furthest.
func worst(v *jsonschema.ValidationError) *jsonschema.ValidationError {
	best := v
	if len(v.Causes) > 0 {
		best = nil
	}
	for _, c := range v.Causes {
		if w := worst(c); best == nil || len(w.InstanceLocation) > len(best.InstanceLocation) {
			best = w
		}
	}
	switch v.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		// No branch got below the value itself: name them all, not the first.
		if len(best.InstanceLocation) <= len(v.InstanceLocation) {
			return v
		}
	}
	return best
}

var english = message.NewPrinter(language.English)

func expected(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, got %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Minimum:
		return fmt.Sprintf("must be at least %s, got %s", number(k.Want), number(k.Got))
	case *kind.Maximum:
		return fmt.Sprintf("must be at most %s, got %s", number(k.Want), number(k.Got))
	case *kind.ExclusiveMinimum:
		return fmt.Sprintf("must be more than %s, got %s", number(k.Want), number(k.Got))
	case *kind.ExclusiveMaximum:
		return fmt.Sprintf("must be less than %s, got %s", number(k.Want), number(k.Got))
	case *kind.MultipleOf:
		return fmt.Sprintf("must be a multiple of %s, got %s", number(k.Want), number(k.Got))
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, got %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, got %d", k.Want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, got %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, got %d", k.Want, k.Got)
	case *kind.Required:
		return "needs " + quoted(k.Missing)
	case *kind.AdditionalProperties:
		return "has no " + quoted(k.Properties)
	case *kind.Enum:
		return fmt.Sprintf("must be one of %s, got %s", values(k.Want), short(k.Got))
	case *kind.Const:
		return fmt.Sprintf("must be %s, got %s", short(k.Want), short(k.Got))
	case *kind.Pattern:
		return fmt.Sprintf("must match %s, got %s", k.Want, short(k.Got))
	case *kind.Format:
		return fmt.Sprintf("must be a %s, got %s", k.Want, short(k.Got))
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.AnyOf, *kind.OneOf:
		return "fits none of the forms it may have"
	}
	return k.LocalizedString(english)
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return fmt.Sprint(f)
}

func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%q", n))
	}
	return strings.Join(out, ", ")
}

func values(list []any) string {
	var out []string
	for _, v := range list {
		out = append(out, short(v))
	}
	return strings.Join(out, ", ")
}

func short(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(raw) > 80 {
		return strings.ToValidUTF8(string(raw[:77]), "") + "…"
	}
	return string(raw)
}
