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
		for _, text := range forms[h.Name](u, h) {
			if t := u.useToken(h, text); t != "" {
				out = appendNew(out, t)
			}
		}
	}
	sort.Strings(out)
	return out
}

// useToken checks one token of a handle; "" if it is none.
func (u *units) useToken(h arctsc.Handle, text string) string {
	t, err := token.Parse(text)
	if err != nil {
		hint := ""
		if f, ok := fault.As(err); ok {
			hint = f.Hint
		}
		u.failOnce(h.At, "ARC3002", hint, "this permission is not a token: %s", err)
		return ""
	}
	if t.IsPattern() {
		u.failOnce(h.At, "ARC3003", "name one namespace", "a unit cannot ask for a pattern: %s", t)
		return ""
	}
	u.askedAt(t.String(), bundle.Place{File: h.At.File, Line: h.At.Line, Col: h.At.Col})
	return t.String()
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
