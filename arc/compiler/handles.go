package compiler

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/microsoft/typescript-go/arctsc"
)

// form reads the tokens off one call of a handle function. It complains of
// arguments that say none.
type form func(u *units, h arctsc.Handle) []string

// forms has every SDK function whose calls are permissions.
var forms = map[string]form{
	"kv":  namedWithMode,
	"llm": model,
}

// handles are the names in forms.
var handles = slices.Sorted(maps.Keys(forms))

// namedWithMode: kv('orders', 'rw') is kv:orders:rw, and reading is what one
// gets without a mode.
func namedWithMode(u *units, h arctsc.Handle) []string {
	parts, ok := u.strings(h, h.Args)
	if !ok {
		return nil
	}
	switch len(parts) {
	case 1:
		parts = append(parts, "r")
	case 2:
	default:
		u.failOnce(h.At, "ARC3001", "write kv<T>('namespace', 'r')", "%s() takes a namespace and a mode", h.Name)
		return nil
	}
	return []string{h.Name + ":" + parts[0] + ":" + parts[1]}
}

// strings are the leading arguments up to an undefined one.
func (u *units) strings(h arctsc.Handle, args []arctsc.Value) (out []string, ok bool) {
	for _, a := range args {
		if a.Kind == arctsc.Undefined {
			break
		}
		if a.Kind != arctsc.String {
			u.failOnce(a.At, "ARC3001", "write a string", "the arguments of %s() must be strings", h.Name)
			return nil, false
		}
		out = append(out, a.String)
	}
	return out, true
}

// model: llm('openai:gpt-4o', { budget, rate, concurrency }) is the token
// llm:openai:gpt-4o#2?budget=1000&rate=10/1m.
func model(u *units, h arctsc.Handle) []string {
	if len(h.Args) == 0 || h.Args[0].Kind != arctsc.String {
		u.failOnce(h.At, "ARC3001", `write llm('provider:model')`, "llm() takes a model, as a string")
		return nil
	}
	text := "llm:" + h.Args[0].String
	if len(h.Args) == 1 || h.Args[1].Kind == arctsc.Undefined {
		return []string{text}
	}
	opts := h.Args[1]
	if n, ok := opts.Get("concurrency"); ok {
		if !whole(n) {
			u.failOnce(n.At, "ARC3001", "a whole number of at least 1", "concurrency is a number of calls")
			return nil
		}
		text += fmt.Sprintf("#%.0f", n.Number)
	}
	sep := "?"
	if n, ok := opts.Get("budget"); ok {
		if !whole(n) {
			u.failOnce(n.At, "ARC3001", "a whole number of at least 1", "budget is a number of model tokens")
			return nil
		}
		text, sep = text+fmt.Sprintf("?budget=%.0f", n.Number), "&"
	}
	if r, ok := opts.Get("rate"); ok {
		text += sep + "rate=" + r.String
	}
	return []string{text}
}

func whole(v arctsc.Value) bool {
	return v.Kind == arctsc.Number && v.Number >= 1 && v.Number == math.Trunc(v.Number)
}
