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
	"kv":     namedWithMode,
	"net":    hostWithAuth,
	"secret": nameOnly,
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
