package conformance

import (
	"encoding/json"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// formats have one instance each.
var formats = map[string]string{
	"date-time": "2024-05-06T07:08:09Z", "date": "2024-05-06", "time": "07:08:09Z", "email": "a@example.org",
	"hostname": "example.org", "ipv4": "127.0.0.1", "ipv6": "::1", "uri": "https://example.org/a",
	"uri-reference": "/a", "uri-template": "/a/{b}", "json-pointer": "/a/b", "uuid": "123e4567-e89b-12d3-a456-426614174000",
}

func (g *generator) number(s map[string]any) any {
	out := []any{num("0"), num("1"), num("2.5"), num("-7"), num("42"), num("1000000")}
	for _, word := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		n, ok := s[word].(json.Number)
		if !ok {
			continue
		}
		f, _ := n.Float64()
		for _, d := range []float64{0, 1, -1} {
			out = append(out, num(strconv.FormatFloat(f+d, 'g', -1, 64)))
		}
	}
	return pick(g.r, out)
}

func (g *generator) text(s map[string]any) any {
	if p, ok := s["pattern"].(string); ok {
		return g.fits(p)
	}
	if name, ok := s["format"].(string); ok && formats[name] != "" && g.chance(0.9) {
		return formats[name]
	}
	out := pick(g.r, []string{"", "a", "abc", "hello there", "0", "12", "-", "é"})
	for _, word := range []string{"minLength", "maxLength"} {
		if n, ok := s[word].(json.Number); ok && g.chance(0.7) {
			f, _ := n.Float64()
			out = strings.Repeat("x", max(0, min(200, int(f)+g.r.IntN(3)-1)))
		}
	}
	return out
}

// fits makes a string that a regular expression matches.
func (g *generator) fits(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "a"
	}
	var b strings.Builder
	g.expression(&b, re)
	return b.String()
}

func (g *generator) expression(b *strings.Builder, re *syntax.Regexp) {
	repeat := func(least, most int) {
		for range least + g.r.IntN(most-least+1) {
			g.expression(b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 1 {
			i := g.r.IntN(len(re.Rune)/2) * 2
			b.WriteRune(re.Rune[i] + rune(g.r.IntN(int(min(re.Rune[i+1]-re.Rune[i], 25))+1)))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte("az09 -"[g.r.IntN(6)])
	case syntax.OpStar:
		repeat(0, 3)
	case syntax.OpPlus:
		repeat(1, 3)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(re.Min, max(re.Min, min(re.Max, re.Min+3)))
	case syntax.OpAlternate:
		g.expression(b, pick(g.r, re.Sub))
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			g.expression(b, sub)
		}
	}
}

func (g *generator) array(s map[string]any, depth int) any {
	prefix, _ := s["prefixItems"].([]any)
	rest := s["items"]
	if list, ok := rest.([]any); ok { // draft 7
		prefix, rest = list, s["additionalItems"]
	}
	out := []any{}
	n := len(prefix)
	if least := count(s["minItems"]); n > least {
		n = least + g.r.IntN(n-least+1)
	}
	for i := range n {
		out = append(out, g.value(prefix[i], depth+1))
	}
	if depth > 6 || n < len(prefix) {
		return out
	}
	least, more := count(s["minItems"]), g.r.IntN(4)
	for len(out) < least || more > 0 {
		if rest == false {
			break
		}
		out = append(out, g.value(rest, depth+1))
		more--
	}
	return out
}

func count(v any) int {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return min(int(f), 20)
}

func (g *generator) object(s map[string]any, depth int) any {
	out := map[string]any{}
	props, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range sorted(props) {
		must := slices.Contains(required, any(name))
		if must || depth < 6 && g.chance(0.6) {
			out[name] = g.value(props[name], depth+1)
		}
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for _, p := range sorted(patterns) {
		if g.chance(0.6) {
			out[g.fits(p)] = g.value(patterns[p], depth+1)
		}
	}
	if more, ok := s["additionalProperties"]; ok && more != false && depth < 6 {
		for range g.r.IntN(3) {
			out[pick(g.r, []string{"k", "0", "12", "x-y", "key two"})] = g.value(more, depth+1)
		}
	}
	return out
}

// change makes one part of a value something else.
func (g *generator) change(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := without(x, "")
		if names := sorted(out); len(names) > 0 && g.chance(0.8) {
			name := pick(g.r, names)
			switch {
			case g.chance(0.3):
				delete(out, name)
			default:
				out[name] = g.change(out[name])
			}
			return out
		}
		if g.chance(0.7) {
			out[pick(g.r, []string{"extra", "0", "a", "x-1"})] = pick(g.r, junk)
			return out
		}
	case []any:
		out := slices.Clone(x)
		switch {
		case len(out) > 0 && g.chance(0.5):
			i := g.r.IntN(len(out))
			out[i] = g.change(out[i])
			return out
		case len(out) > 0 && g.chance(0.4):
			return out[:len(out)-1]
		case g.chance(0.5):
			return append(out, pick(g.r, junk))
		}
	}
	return pick(g.r, junk)
}
