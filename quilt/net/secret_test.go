package net

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A credential is added in the form that it is bound in, and comes back masked
// however the server echoes it.
func TestCredentialIsAddedAndMasked(t *testing.T) {
	var seen string
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Authorization") + "|" + r.Header.Get("X-Api-Key") + "|" + r.URL.Query().Get("key")
		w.Header().Set("X-Echo", seen)
		w.Header().Set("Content-Length", fmt.Sprint(len(seen)))
		io.WriteString(w, seen)
	})
	bind := "secret:KEY:api.example.com:" + f.port + ":"
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for form, want := range map[string]string{
		"bearer": "Bearer " + value + "||", "basic:me": basic("me:"+value) + "||", "basic": basic(value) + "||",
		"header:X-Api-Key": "|" + value + "|", "query:key": "||" + value,
	} {
		f.grant(t, "net:api.example.com:"+f.port, bind+form)
		// What the unit puts there itself does not stand beside it.
		got, body, err := f.fetch(t, fetchArgs{URL: f.url("/?key=mine"), Auth: bind + form, Headers: [][2]string{{"x-other", "mine"}}})
		if err != nil {
			t.Fatal(err)
		}
		if form != "query:key" {
			want += "mine"
		}
		if seen != want {
			t.Errorf("%s: the server saw %q, want %q", form, seen, want)
		}
		all := body + fmt.Sprint(got)
		for _, leak := range []string{value, "0123456789", base64.StdEncoding.EncodeToString([]byte("me:" + value))[8:20], base64.StdEncoding.EncodeToString([]byte(value))[:16]} {
			if strings.Contains(all, leak) {
				t.Errorf("%s: %q came back in %s", form, leak, all)
			}
		}
		if !strings.Contains(body, "[secret KEY]") {
			t.Errorf("%s: %s", form, body)
		}
	}
}

func TestCredentialGoesNowhereElse(t *testing.T) {
	var f *fixture
	got := map[string]string{}
	f = newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		got[r.Host] += r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/www":
			http.Redirect(w, r, "https://www.example.com:"+f.port+"/", http.StatusTemporaryRedirect)
		case "/brotli":
			w.Header().Set("Content-Encoding", "br")
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, "zipped "+value)
			z.Close()
		}
	})
	bound := "secret:KEY:api.example.com:" + f.port + ":bearer"
	host, www := "net:api.example.com:"+f.port, "net:www.example.com:"+f.port
	for _, x := range []struct {
		name, url, auth, want string
		tokens                []string
	}{
		{"another host", "https://www.example.com:" + f.port + "/", bound, "does not go to www.example.com", []string{host, www, bound}},
		{"another port", "https://api.example.com/", bound, "does not go to api.example.com:443", []string{host, "net:api.example.com:443", bound}},
		{"in the clear", "http://api.example.com:" + f.port + "/", bound, "in the clear", []string{host, bound}},
		{"not granted", f.url("/"), bound, "holds no secret:KEY", []string{host}},
		{"a wider token", f.url("/"), bound, "holds no secret:KEY", []string{host, "secret:KEY"}},
		{"another form", f.url("/"), "secret:KEY:api.example.com:" + f.port + ":query:q", "holds no secret:KEY", []string{host, bound}},
		{"not bound", f.url("/"), "secret:KEY", "not a secret bound to a host", []string{host, "secret:KEY"}},
		{"not there", f.url("/"), "secret:NONE:api.example.com:" + f.port + ":bearer", "no secret", []string{host, "secret:NONE:api.example.com:" + f.port + ":bearer"}},
		{"an encoding that hides it", f.url("/brotli"), bound, "could not be masked", []string{host, bound}},
	} {
		clear(got)
		f.grant(t, x.tokens...)
		_, body, err := f.fetch(t, fetchArgs{URL: x.url, Auth: x.auth})
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %q, %v", x.name, body, err)
		}
		if strings.Contains(got["www.example.com:"+f.port], value) {
			t.Errorf("%s: it went to www", x.name)
		}
	}
	clear(got)
	f.grant(t, host, www, bound)
	if r, _, err := f.fetch(t, fetchArgs{URL: f.url("/www"), Auth: bound}); err != nil || !r.Redirected {
		t.Errorf("%+v, %v", r, err)
	}
	if got["www.example.com:"+f.port] != "" || got["api.example.com:"+f.port] != "Bearer "+value {
		t.Errorf("a redirect took it along: %v", got)
	}
	if _, body, err := f.fetch(t, fetchArgs{URL: f.url("/gzip"), Auth: bound}); err != nil || body != "zipped [secret KEY]" {
		t.Errorf("%q, %v", body, err)
	}
	f.call.Grant.Tenant = "nobody"
	if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Auth: bound}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another tenant: %v", err)
	}
}

// An error of the transport may hold the URL, and the URL a credential.
func TestErrorsAreMasked(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprintf(c, "HTTP/1.1 %s nonsense\r\n\r\n", r.URL.Query().Get("key"))
			c.Close()
		}
	})
	bound := "secret:KEY:api.example.com:" + f.port + ":query:key"
	f.grant(t, "net:api.example.com:"+f.port, bound)
	_, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Auth: bound})
	if err == nil || strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), "[secret KEY]") {
		t.Errorf("%v", err)
	}
}
