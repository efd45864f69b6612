package agent

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
)

// maxNesting that repair follows.
const maxNesting = 32

// repair changes only what can mean one thing: "5" for a number, "true" for a
// boolean, JSON inside a string, another case of an enum's word or of a
// property's name, a missing property that may be null. The result is
// validated by the caller; a wrong guess is never used.
func repair(s llm.Schema, v any, depth int) any {
	if depth > maxNesting {
		return v
	}
	switch x := v.(type) {
	case string:
		return repairString(s, x)
	case json.Number:
		if s.Is("string") && !s.Is("number") && !s.Is("integer") {
			return x.String()
		}
		if f, err := x.Float64(); err == nil && s.Is("integer") && f == float64(int64(f)) && f < 1e15 && f > -1e15 {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	case bool:
		if s.Is("string") && !s.Is("boolean") {
			return strconv.FormatBool(x)
		}
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = repair(s.At(s.Node["items"]), x[i], depth+1)
		}
		return out
	case map[string]any:
		return repairObject(s, x, depth)
	}
	return v
}

func repairString(s llm.Schema, x string) any {
	t := strings.TrimSpace(x)
	switch {
	case s.Is("string"):
		return repairWord(s, x)
	case s.Is("number"), s.Is("integer"):
		if _, err := strconv.ParseFloat(t, 64); err == nil && json.Valid([]byte(t)) {
			return repair(s, json.Number(t), maxNesting)
		}
	case s.Is("boolean"):
		if b := strings.ToLower(t); b == "true" || b == "false" {
			return b == "true"
		}
	case s.Is("array"), s.Is("object"):
		if v, err := llm.Decode([]byte(t)); err == nil {
			return v
		}
	}
	if s.Is("null") && (t == "" || t == "null") {
		return nil
	}
	return repairWord(s, x)
}

// repairWord finds the one word of an enum that differs only in case.
func repairWord(s llm.Schema, x string) any {
	words, _ := s.Node["enum"].([]any)
	var found []string
	for _, w := range words {
		if w, ok := w.(string); ok && strings.EqualFold(plain(w), plain(x)) {
			found = append(found, w)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return x
}

func repairObject(s llm.Schema, x map[string]any, depth int) any {
	out := maps.Clone(x)
	for k := range x {
		if _, known := s.Property(k); known {
			continue
		}
		if name, ok := sameName(s, x, k); ok {
			out[name] = out[k]
			delete(out, k)
		}
	}
	for k, v := range out {
		if p, ok := s.Property(k); ok {
			out[k] = repair(p, v, depth+1)
		}
	}
	for k := range s.Required() {
		if p, ok := s.Property(k); ok && p.Fits(nil) {
			if _, has := out[k]; !has {
				out[k] = nil
			}
		}
	}
	return out
}

// sameName finds the one absent property that k spells differently.
func sameName(s llm.Schema, x map[string]any, k string) (string, bool) {
	var found []string
	for name := range s.Properties() {
		if _, has := x[name]; !has && strings.EqualFold(plain(name), plain(k)) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

// plain drops what spellings differ in: order_id, order-id, orderId.
func plain(s string) string { return strings.NewReplacer("_", "", "-", "", " ", "").Replace(s) }
