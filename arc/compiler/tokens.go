package compiler

import (
	"slices"
	"sort"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// useTokens makes tokens of the handles that a unit can reach and notes where
// each is asked for.
func (u *units) useTokens(hs []arctsc.Handle) []string {
	var out []string
	for _, h := range hs {
		text, ok := u.tokenText(h)
		if !ok {
			continue
		}
		t, err := token.Parse(text)
		if err != nil {
			hint := ""
			if f, ok := fault.As(err); ok {
				hint = f.Hint
			}
			u.failOnce(h.At, "ARC3002", hint, "this permission is not a token: %s", err)
			continue
		}
		if t.IsPattern() {
			u.failOnce(h.At, "ARC3003", "name one namespace", "a unit cannot ask for a pattern: %s", t)
			continue
		}
		out = appendNew(out, t.String())
		u.askedAt(t.String(), bundle.Place{File: h.At.File, Line: h.At.Line, Col: h.At.Col})
	}
	sort.Strings(out)
	return out
}

// tokenText is what a handle's arguments say: kv('orders', 'rw') is
// kv:orders:rw, and reading is what one gets without a mode.
func (u *units) tokenText(h arctsc.Handle) (string, bool) {
	parts := []string{}
	for _, a := range h.Args {
		if a.Kind == arctsc.Undefined {
			break
		}
		if a.Kind != arctsc.String {
			u.failOnce(a.At, "ARC3001", "write a string", "the arguments of %s() must be strings", h.Name)
			return "", false
		}
		parts = append(parts, a.String)
	}
	switch len(parts) {
	case 1:
		parts = append(parts, "r")
	case 2:
	default:
		u.failOnce(h.At, "ARC3001", "write kv<T>('namespace', 'r')", "%s() takes a namespace and a mode", h.Name)
		return "", false
	}
	return h.Name + ":" + parts[0] + ":" + parts[1], true
}

// failOnce: two units that reach the same handle complain once.
func (u *units) failOnce(at arctsc.Span, code, hint, format string, args ...any) {
	for _, m := range u.msgs {
		if m.Place == place(at) && m.Code == code {
			return
		}
	}
	u.fail(at, code, hint, format, args...)
}

func (u *units) askedAt(t string, at bundle.Place) {
	where := u.tokens[t]
	if slices.Contains(where, at) {
		return
	}
	where = append(where, at)
	sort.Slice(where, func(i, j int) bool {
		a, b := where[i], where[j]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
	})
	u.tokens[t] = where
}
