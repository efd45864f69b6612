package token

import (
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Binding is what a secret token allows: one credential, added to requests for
// one host and port, in one form. It stands in the token's path, so that it is
// part of what a bundle asks for, and nothing at run time can point the
// credential elsewhere.
type Binding struct {
	Name string // of the secret
	Host Token  // net:host:port
	// Form is how the credential is added: "bearer" and "basic" (Authorization),
	// "header" and "query". Field is the user of basic (may be ""), the header's
	// name, or the parameter's.
	Form, Field string
}

// Bind makes the token secret:NAME:HOST:PORT:FORM[:FIELD]. Fault: Invalid.
func Bind(b Binding) (Token, error) {
	parts := b.Host.Segments()
	if b.Host.scheme != "net" || len(parts) != 2 || strings.ContainsAny(parts[0], "*[:") {
		return Token{}, fault.New(fault.Invalid, "a secret cannot be bound to %s", b.Host).
			WithHint("bind it to one host by name: net('api.example.com', { auth: secret('KEY') })")
	}
	text := strings.Join([]string{"secret", b.Name, parts[0], parts[1], b.Form}, ":")
	if b.Field != "" {
		text += ":" + b.Field
	}
	t, err := Parse(text)
	if err != nil {
		return Token{}, err
	}
	if got, ok := t.Binding(); !ok || got.Name != b.Name || got.Host.text != "net:"+b.Host.path {
		return Token{}, fault.New(fault.Invalid, "%s is not a secret bound to a host", t).
			WithHint("forms are bearer, basic, header and query; the last two name a field")
	}
	return t, nil
}

// Binding reads a secret token; false if it is none, or is not bound.
func (t Token) Binding() (Binding, bool) {
	s := t.Segments()
	if t.scheme != "secret" || len(s) < 4 || len(s) > 5 {
		return Binding{}, false
	}
	b := Binding{Name: s[0], Form: s[3]}
	if len(s) == 5 {
		b.Field = s[4]
	}
	switch {
	case b.Form == "bearer" && b.Field == "", b.Form == "basic", (b.Form == "header" || b.Form == "query") && b.Field != "":
	default:
		return Binding{}, false
	}
	host, err := Parse("net:" + s[1] + ":" + s[2])
	if err != nil || host.path != s[1]+":"+s[2] || strings.Contains(s[1], "*") {
		return Binding{}, false
	}
	b.Host = host
	return b, true
}
