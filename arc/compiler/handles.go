package compiler

import (
	"maps"
	"slices"

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
	"lock":   named("rw"),
	"queue":  named("r"),
	"vector": named("r"),
}

// handles are the names in forms.
var handles = slices.Sorted(maps.Keys(forms))

// named: kv('orders', 'rw') is kv:orders:rw, and fallback is what one gets
// without a mode. kv('orders', 'rw', { hold: 'tx' }) is kv:orders:rw?hold=tx.
func named(fallback string) form {
	return func(u *units, h arctsc.Handle) []string {
		args, params := h.Args, ""
		if n := len(args); n > 0 && args[n-1].Kind == arctsc.Object {
			args, params = args[:n-1], u.holdOf(h, args[n-1])
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
			u.failOnce(h.At, "ARC3001", "write "+h.Name+"<T>('name', '"+fallback+"')", "%s() takes a name and a mode", h.Name)
			return nil
		}
		return []string{h.Name + ":" + parts[0] + ":" + parts[1] + params}
	}
}

// holdOf is the part of the options that is the token's: when it is held.
func (u *units) holdOf(h arctsc.Handle, opts arctsc.Value) string {
	hold, ok := opts.Get("hold")
	if !ok {
		return ""
	}
	if hold.Kind != arctsc.String {
		u.failOnce(hold.At, "ARC3001", "write 'exec' or 'tx'", "hold of %s() must be a string", h.Name)
		return ""
	}
	return "?hold=" + hold.String
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
