package main

import (
	"encoding/json"
	"fmt"
)

// way is one attempt: a unit, its input, and the token that its refusal has to
// name.
type way struct{ name, unit, input, token string }

func cases() []way {
	out := fromGranted()
	for _, name := range []string{"two Host headers", "a folded header", "two lengths", "a space before the colon", "an odd transfer encoding", "a change of protocol", "bare line feeds", "HTTP/1.0"} {
		out = append(out, way{name, "granted.form", arg("way", name), "the gate refuses this request"})
	}
	for _, h := range []struct{ url, token string }{
		{"http://loopback.test:CLOSED/", "net:loopback.test:CLOSED leads to 127.0.0.1"},
		{"https://loopback.test:CLOSED/", "net:loopback.test:CLOSED leads to 127.0.0.1"},
		{"http://metadata.test/", "net:metadata.test:80 leads to 169.254.169.254"},
		{"http://private.test:CLOSED/", "net:private.test:CLOSED leads to 10.0.0.1"},
		{"http://carrier.test:CLOSED/", "net:carrier.test:CLOSED leads to 100.64.0.1"},
		{"http://six.test:CLOSED/", "net:six.test:CLOSED leads to ::1"},
		{"http://mapped.test:CLOSED/", "net:mapped.test:CLOSED leads to 127.0.0.1"},
		{"http://nat64.test:CLOSED/", "net:nat64.test:CLOSED leads to 64:ff9b::7f00:1"},
		{"http://multicast.test:CLOSED/", "net:multicast.test:CLOSED leads to 224.0.0.1"},
		{"http://zero.test:CLOSED/", "net:zero.test:CLOSED leads to 0.0.0.0"},
		{"http://local.test:CLOSED/", "net:local.test:CLOSED leads to f"},
		{"http://sixtofour.test:CLOSED/", "net:sixtofour.test:CLOSED leads to 2002:"},
		{"http://broadcast.test:CLOSED/", "net:broadcast.test:CLOSED leads to 255.255.255.255"},
		{"http://mixed.test:CLOSED/", "net:mixed.test:CLOSED leads to "},
		{"http://azure.test/", "net:azure.test:80 leads to 168.63.129.16"},
		{"http://own.test:CLOSED/", "net:own.test:CLOSED leads to "},
		{"http://127.0.0.1:CLOSED/", "net:127.0.0.1:CLOSED is the machine itself"},
		{"http://[::1]:CLOSED/", "net:[::1]:CLOSED is not a public address"},
		{"http://169.254.169.254/", "net:169.254.169.254:80 is link-local"},
	} {
		out = append(out, way{"fetch of " + h.url, "inward.go", arg("url", h.url), h.token},
			way{"handle to " + h.url, "inward.handle", arg("url", h.url), h.token})
	}
	out = append(out, way{"a name that moves between two requests", "rebound.go", `{}`, "net:rebind.test:PLAIN leads to 127.0.0.2"})
	return append(out, fromHandles()...)
}

// fromGranted are ways of a unit that holds two hosts.
func fromGranted() (out []way) {
	for _, w := range []struct{ name, token string }{
		{"http to another host", "net:evil.test:80"},
		{"https to another host", "net:evil.test:443"},
		{"another port of a granted host", "net:api.test:CLOSED"},
		{"the default port of a granted host", "net:api.test:80"},
		{"a name above a granted one", "net:test:PLAIN"},
		{"a name below a granted one", "net:x.api.test:PLAIN"},
		{"a literal loopback address", "net:127.0.0.1:CLOSED"},
		{"the metadata service", "net:169.254.169.254:80"},
		{"localhost", "net:localhost:CLOSED"},
		{"node:http", "net:evil.test:80"},
		{"node:https", "net:evil.test:443"},
		{"a WebSocket in a tunnel", "net:evil.test:443"},
		{"a redirect to another host", "net:evil.test:80"},
		{"a redirect to loopback", "net:127.0.0.1:CLOSED"},
		{"a redirect from http to https elsewhere", "net:evil.test:443"},
		{"an octal address", "net:0177.0.0.1:CLOSED"},
		{"a hexadecimal address", "net:0x7f.0.0.1:CLOSED"},
		{"a decimal address", "net:2130706433:CLOSED"},
		{"a short address", "net:127.1:CLOSED"},
		{"an IPv6 loopback address", "net:[::1]:CLOSED"},
		{"a mapped IPv6 address", "net:[::ffff:127.0.0.1]:CLOSED"},
		{"an IPv6 address with a zone", "net:[fe80::1"},
		{"a final dot", "net:api.test.:PLAIN"},
		{"a name in another script", "net:"},
		{"a percent sign in the host", "net:api.test%2eevil.test:443"},
		{"a user name before the host", "net:api.test:PLAIN@127.0.0.1:CLOSED"},
		{"a user name in CONNECT", "net:api.test:PLAIN@127.0.0.1:CLOSED"},
		{"CONNECT to a port that is not granted", "net:api.test:22"},
		{"CONNECT to an address", "net:127.0.0.1:CLOSED"},
		{"CONNECT with another Host header", "net:api.test:TLS"},
		{"plain HTTP in a tunnel", "net:api.test:PLAIN is for HTTPS"},
		{"another protocol in a tunnel", "net:api.test:PLAIN is for HTTPS"},
		{"another name in the tunnel's TLS", "declare net('evil.test')"},
		{"no name in the tunnel's TLS", "net:api.test:TLS"},
		{"a target and another Host header", "net:api.test:PLAIN"},
		{"fetch with another Host header", "net:api.test:PLAIN"},
		{"a foreign Host in origin form", "net:evil.test"},
		{"an https target in the clear", "net:https://evil.test/"},
		{"ftp", "net:ftp://evil.test/x"},
		{"gopher", "net:gopher://evil.test/x"},
	} {
		out = append(out, way{w.name, "granted.go", arg("way", w.name), w.token})
	}
	return out
}

// fromHandles are ways that use the handle, the secret, or hold nothing.
func fromHandles() (out []way) {
	for _, w := range []struct{ what, unit, url, token string }{
		{"handle to another host", "granted.handle", "https://evil.test/", "net:evil.test:443"},
		{"handle to an address", "granted.handle", "https://127.0.0.1:CLOSED/", "net:127.0.0.1:CLOSED"},
		{"handle that is redirected", "granted.handle", "https://api.test:TLS/to?https://evil.test/", "net:evil.test:443"},
		{"handle that is redirected inwards", "granted.handle", "https://api.test:TLS/to?http://127.0.0.1:CLOSED/", "net:127.0.0.1:CLOSED"},
		{"handle to a user name", "granted.handle", "https://api.test:TLS@evil.test/", "net"},
		{"handle to a unix socket", "granted.handle", "unix:///run/quilt/quilt.sock", "net tokens allow http"},
		{"handle to a file", "granted.handle", "file:///etc/passwd", "net tokens allow http"},
		{"handle to a WebSocket", "granted.handle", "wss://evil.test/", "net tokens allow http"},
		{"secret to another granted port", "bound.go", "http://api.test:PLAIN/", "secret:EGRESS_KEY:api.test:PLAIN"},
		{"secret to another host", "bound.go", "https://evil.test/", "secret:EGRESS_KEY:evil.test:443"},
		{"secret in the clear", "bound.go", "http://api.test:TLS/", "secret EGRESS_KEY does not go to api.test:TLS in the clear"},
		{"no token, http", "nothing.go", "http://evil.test/", "net:evil.test:80"},
		{"no token, https", "nothing.go", "https://api.test:TLS/", "net:api.test:TLS"},
		{"no token, the gate's own address", "nothing.go", "http://127.0.0.1:4180/", "net:127.0.0.1:4180"},
	} {
		out = append(out, way{w.what, w.unit, arg("url", w.url), w.token})
	}
	return append(out, way{"the value of a secret", "bound.value", `{}`, "secret:EGRESS_KEY"})
}

func arg(name, value string) string {
	b, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		panic(fmt.Sprint(err)) // strings always encode
	}
	return string(b)
}
