package compiler

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/microsoft/typescript-go/arctsc"
)

// form reads the tokens off one call of a handle function. It complains of
// arguments that say none.
type form func(u *units, h arctsc.Handle) []string

// forms has every SDK function whose calls are permissions.
var forms = map[string]form{
	"blob":   named("r"),
	"fs":     named("r"),
	"kv":     named("r"),
	"llm":    model,
	"net":    hostWithAuth,
	"secret": nameOnly,
	"lock":   named("rw"),
	"queue":  named("r"),
	"vector": named("r", "dims", "embed"),
}

// handles are the names in forms.
var handles = slices.Sorted(maps.Keys(forms))

// named: kv('orders', 'rw') is kv:orders:rw, and fallback is what one gets without
// a mode; kv('orders', 'rw', { hold: 'tx' }) is kv:orders:rw?hold=tx. Settings that
// are the client's own are no part of the token.
func named(fallback string, own ...string) form {
	return func(u *units, h arctsc.Handle) []string {
		args, query, ok := u.settings(h, own)
		if !ok {
			return nil
		}
		parts, ok := u.strings(h, args)
		if !ok {
			return nil
		}
		switch len(parts) {
		case 1:
			parts = append(parts, fallback)
		case 2:
		default:
			u.failOnce(h.At, "ARC3001", "write "+h.Name+"('name', '"+fallback+"')", "%s() takes a name and a mode", h.Name)
			return nil
		}
		return []string{h.Name + ":" + parts[0] + ":" + parts[1] + query}
	}
}

// settings reads the object that may stand last, as the query of a token, and
// gives the arguments before it. Which settings there are is the grammar's.
func (u *units) settings(h arctsc.Handle, own []string) (before []arctsc.Value, query string, ok bool) {
	last := len(h.Args) - 1
	if last < 0 || h.Args[last].Kind != arctsc.Object {
		return h.Args, "", true
	}
	sep := "?"
	for _, f := range h.Args[last].Fields {
		if slices.Contains(own, f.Name) {
			continue
		}
		switch f.Value.Kind {
		case arctsc.Undefined:
			continue
		case arctsc.String:
			query += sep + f.Name + "=" + f.Value.String
		case arctsc.Number:
			query += sep + f.Name + "=" + strconv.FormatFloat(f.Value.Number, 'f', -1, 64)
		default:
			u.failOnce(f.Value.At, "ARC3001", "write a string", "%s of %s() must be a string", f.Name, h.Name)
			return nil, "", false
		}
		sep = "&"
	}
	return h.Args[:last], query, true
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
