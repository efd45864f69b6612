package compiler

import (
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

const netForm = "write net('api.example.com') or net('api.example.com', { auth: secret('KEY') })"

// hostWithAuth: net('api.example.com', { auth: secret('KEY') }) is the host's
// token and one that binds the secret to that host, so that what a bundle asks
// for says where the credential goes.
func hostWithAuth(u *units, h arctsc.Handle) []string {
	if len(h.Args) == 0 || len(h.Args) > 2 || h.Args[0].Kind != arctsc.String {
		u.failOnce(h.At, "ARC3001", netForm, "net() takes a host and, if at all, options")
		return nil
	}
	host := hostToken(h.Args[0].String)
	if len(h.Args) == 1 || h.Args[1].Kind == arctsc.Undefined {
		return []string{host}
	}
	auth, has := h.Args[1].Get("auth")
	if h.Args[1].Kind != arctsc.Object {
		u.failOnce(h.Args[1].At, "ARC3001", netForm, "the options of net() are an object")
		return nil
	}
	_, query, ok := u.settings(h, []string{"auth"})
	if !ok {
		return nil
	}
	if !has {
		return []string{host + query}
	}
	bound, ok := u.binding(h, host, auth)
	if !ok {
		return nil
	}
	return []string{host + query, bound}
}

// hostToken: "http://" is port 80 unless one is given; otherwise it is 443.
func hostToken(text string) string {
	if rest, ok := strings.CutPrefix(text, "http://"); ok {
		if !strings.Contains(rest[strings.LastIndexByte(rest, ']')+1:], ":") {
			rest += ":80"
		}
		return "net:" + rest
	}
	return "net:" + strings.TrimPrefix(text, "https://")
}

func (u *units) binding(h arctsc.Handle, hostText string, auth arctsc.Value) (string, bool) {
	b := token.Binding{Form: "bearer"}
	secret, ok := auth, true
	if auth.Kind == arctsc.Object {
		secret, ok = formOf(auth, &b)
	}
	if !ok || secret.Kind != arctsc.Call || secret.String != "secret" || len(secret.List) != 1 || secret.List[0].Kind != arctsc.String {
		u.failOnce(auth.At, "ARC3001", netForm, "auth is secret('NAME'), or an object with bearer, basic, header or query")
		return "", false
	}
	b.Name = secret.List[0].String
	var err error
	if b.Host, err = token.Parse(hostText); err != nil {
		return "", true // the host's own token complains
	}
	t, err := token.Bind(b)
	if err != nil {
		hint := netForm
		if f, ok := fault.As(err); ok && f.Hint != "" {
			hint = f.Hint
		}
		u.failOnce(auth.At, "ARC3002", hint, "this secret cannot be bound: %s", err)
		return "", false
	}
	return t.String(), true
}

// formOf reads { bearer }, { basic, user }, { header, value } and { query, value }.
func formOf(auth arctsc.Value, b *token.Binding) (secret arctsc.Value, ok bool) {
	if s, has := auth.Get("bearer"); has {
		return s, true
	}
	if s, has := auth.Get("basic"); has {
		b.Form = "basic"
		user, has := auth.Get("user")
		b.Field = user.String
		return s, !has || user.Kind == arctsc.String
	}
	for _, form := range []string{"header", "query"} {
		if field, has := auth.Get(form); has && field.Kind == arctsc.String {
			b.Form, b.Field = form, field.String
			s, has := auth.Get("value")
			return s, has
		}
	}
	return auth, false
}

// nameOnly: secret('KEY') alone gives nothing. What it is bound to does.
func nameOnly(u *units, h arctsc.Handle) []string {
	if len(h.Args) != 1 || h.Args[0].Kind != arctsc.String {
		u.failOnce(h.At, "ARC3001", "write secret('KEY')", "secret() takes the name of a secret")
	}
	return nil
}
