package token

import "testing"

func TestBinding(t *testing.T) {
	for _, x := range []struct {
		host, name, form, field string
		want                    string // "": refused
	}{
		{"net:api.stripe.com", "STRIPE_KEY", "bearer", "", "secret:STRIPE_KEY:api.stripe.com:443:bearer"},
		{"net:API.example.com:8443", "K", "header", "X-Api-Key", "secret:K:api.example.com:8443:header:X-Api-Key"},
		{"net:10.0.0.1:443", "K", "basic", "user", "secret:K:10.0.0.1:443:basic:user"},
		{"net:a.example", "K", "basic", "", "secret:K:a.example:443:basic"},
		{"net:a.example", "K", "query", "key", "secret:K:a.example:443:query:key"},
		{"net:*.example.com", "K", "bearer", "", ""},
		{"net:[2001:db8::1]:443", "K", "bearer", "", ""},
		{"net:a.example", "K", "header", "", ""},
		{"net:a.example", "K", "bearer", "x", ""},
		{"net:a.example", "K", "cookie", "x", ""},
		{"net:a.example", "K:b.example:443:bearer", "bearer", "", ""},
		{"net:a.example", "", "bearer", "", ""},
		{"net:a.example", "K", "header", "X Api", ""},
		{"kv:a.example", "K", "bearer", "", ""},
	} {
		host, err := Parse(x.host)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Bind(Binding{Name: x.name, Host: host, Form: x.form, Field: x.field})
		if got.String() != x.want || (err != nil) != (x.want == "") {
			t.Errorf("%+v: %q, %v", x, got, err)
			continue
		}
		if x.want == "" {
			continue
		}
		if b, ok := got.Binding(); !ok || b.Name != x.name || b.Host != host || b.Form != x.form || b.Field != x.field {
			t.Errorf("%s: %+v", got, b)
		}
	}
	for _, text := range []string{"secret:K", "secret:K:a.example", "secret:K:a.example:443", "secret:K:A.example:443:bearer",
		"secret:K:a.example:0443:bearer", "secret:K:a.example:443:bearer:x:y", "kv:K/a/b/c"} {
		if tok, err := Parse(text); err == nil {
			if b, ok := tok.Binding(); ok {
				t.Errorf("%s binds %+v", text, b)
			}
		}
	}
}
