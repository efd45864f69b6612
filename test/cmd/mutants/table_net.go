package main

const (
	netAddress = "quilt/net/address.go"
	netDial    = "quilt/net/dial.go"
	netGuard   = "quilt/net/guard.go"
	netFetch   = "quilt/net/fetch.go"
	netTarget  = "quilt/net/target.go"
	gateHead   = "quilt/gate/head.go"
	gateProxy  = "quilt/gate/proxy.go"
	gateTunnel = "quilt/gate/tunnel.go"
	secretMask = "quilt/secret/mask.go"
)

// netTable are the checks between a container and the net, each taken away.
var netTable = []mutant{
	{"a rate not charged", "quilt/net/target.go", "	need := bounded(c.Grant.Tokens, t.Token)\n", "	need := bounded(c.Grant.Tokens, t.Token)\n	c.Grant.Charge = nil\n"},
	{"a rated token where another is free", "quilt/net/target.go", "		if need.Params().Rate.N == 0 {\n", "		if need.Params().Rate.N >= 0 {\n"},
	{"loopback is public", netAddress, `	{netip.MustParsePrefix("127.0.0.0/8"), "the machine itself (loopback)"},` + "\n", ""},
	{"metadata is public", netAddress, `	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where clouds keep metadata"},` + "\n", ""},
	{"10/8 is public", netAddress, `	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},` + "\n", ""},
	{"carrier's network is public", netAddress, `	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared network"},` + "\n", ""},
	{"6to4 is public", netAddress, `	{netip.MustParsePrefix("2002::/16"), "6to4, which can name any IPv4 address"},` + "\n", ""},
	{"all of IPv6 is public", netAddress, "if a.Is6() && !global.Contains(a) {", "if a.Is6() && global.Bits() == 0 {"},
	{"mapped addresses pass", netAddress, "	a = a.Unmap() // ::ffff:10.0.0.1 is 10.0.0.1\n	if a.Zone()", "	if a.Is4In6() {\n		return \"\"\n	}\n	if a.Zone()"},
	{"own addresses pass", netAddress, "	if ours(a) {", "	if ours(a) && a.Is6() {"},
	{"an exception for every port", netAddress, "(x.port == 0 || x.port == t.Port)", "(x.port == 0 || x.port != 0)"},
	{"address not checked", netDial, "		if err := e.check(t, a); err != nil {", "		if err := e.check(t, a); err != nil && !a.IsValid() {"},
	{"literal addresses not checked", netAddress, `	why := closed(a)
	if why == "" {`, `	why := closed(a)
	if why == "" || t.Literal() {`},
	{"token not held for a handle", netGuard, "	hold, err := Hold(r.Context(), g.call, t)\n	if err != nil {\n		return nil, err\n	}\n	out", "	hold := broker.Hold{Token: t.Token, Done: func() {}}\n	out"},
	{"endless redirects", netFetch, "if len(via) > maxRedirects {", "if len(via) > 1000*maxRedirects {"},
	{"user name in a URL", netFetch, "case u.User != nil:", "case u.User != nil && u.Scheme == \"\":"},
	{"any scheme", netFetch, `case u.Scheme != "http" && u.Scheme != "https":`, `case u.Scheme == "":`},
	{"the Host header is the unit's", netFetch, `	"Host": true, "Connection"`, `	"Connection"`},
	{"odd characters in a host", netTarget, "strings.ContainsAny(authority, \"@/\\\\?#%*, \\t\")", "strings.ContainsAny(authority, \"@/\")"},
	{"secret not held", netGuard, "	if !has {", "	if !has && len(c.Grant.Tokens) == 0 {"},
	{"a wider secret token counts", netGuard, "has = has || have == t", "has = has || have.Covers(t)"},
	{"secret to any host", netGuard, "	if t.Token != b.Host {", "	if t.Token.Scheme() != b.Host.Scheme() {"},
	{"secret in the clear", netGuard, `	if u.Scheme != "https" {`, `	if u.Scheme == "" {`},
	{"secret follows redirects", netGuard, "if g.bound != nil && g.bound.fits(out.URL) == nil {", "if g.bound != nil {"},
	{"answer not masked", netGuard, "		body.Reader = m.Reader(body.body)", "		body.Reader = body.body"},
	{"headers not masked", netGuard, "			res.Header[name][i] = m.String(v)", "			res.Header[name][i] = v"},
	{"hidden encodings pass", netGuard, `enc != "" {`, `enc == "none" {`},
	{"errors not masked", netGuard, "broker.Clip(g.bound.mask().String(err.Error()), 300)", "broker.Clip(err.Error(), 300)"},
	{"one alignment of base64", secretMask, "for lead := range 3 {", "for lead := range 1 {"},
	{"mask per piece", secretMask, "	if !last {\n		keep", "	if last {\n		keep"},
	{"token not held for a proxy", gateProxy, "	hold, err := egress.Hold(r.Context(), s.call, t)\n	if err != nil {\n		say(w, http.StatusForbidden, s.refused(err))\n		return\n	}\n	defer hold.Done()\n", "	_ = t\n"},
	{"token not held for a tunnel", gateTunnel, "	hold, err := egress.Hold(r.Context(), s.call, t)\n	if err != nil {\n		return t, nil, nil, err\n	}\n", "	hold := struct {\n		Done  func()\n		Until time.Time\n	}{Done: func() {}}\n"},
	{"any name in a tunnel", gateTunnel, "case !strings.EqualFold(hello.ServerName, t.Host):", "case hello.ServerName == \"\":"},
	{"no name in a tunnel", gateTunnel, "	case t.Literal() && hello.ServerName == \"\":", "	case hello.ServerName == \"\":"},
	{"a hidden name in a tunnel", gateTunnel, "slices.Contains(hello.Extensions, encryptedHello):", "slices.Contains(hello.Extensions, 0xffff):"},
	{"anything in a tunnel", gateTunnel, "	if err != nil {\n		s.refused(err)\n		_, _ = inside.Write([]byte{21, 3, 3, 0, 2, 2, 49}) // the alert access_denied\n		return\n	}\n", "	if err != nil {\n		s.refused(err)\n	}\n"},
	{"two Host headers", gateHead, `case count["host"] != 1:`, `case count["host"] < 1:`},
	{"folded headers", gateHead, "!ok || name == \"\" || strings.ContainsAny(name, \" \\t\")", "!ok || name == \"\""},
	{"two lengths", gateHead, `case count["content-length"]+count["transfer-encoding"] > 1:`, `case count["content-length"]+count["transfer-encoding"] > 9:`},
	{"odd transfer encodings", gateHead, `if name == "transfer-encoding" && !strings`, `if name == "transfer-coding" && !strings`},
	{"upgrades", gateHead, `case count["upgrade"] > 0:`, `case count["upgrade"] > 9:`},
	{"control characters", gateHead, "r < ' ' && r != '\\t' || r == 0x7f", "r == 0x7f"},
	{"another Host in CONNECT", gateHead, "		if !strings.EqualFold(target, host) && !strings.EqualFold(target, host+\":443\") {", "		if target == \"\" {"},
	{"another Host in a proxied request", gateHead, "if !strings.EqualFold(authority, host) && !strings", "if authority == \"\" && !strings"},
	{"foreign origin form", gateHead, "if host != gate && host", "if host == \"\" && host"},
	{"user name in a target", gateHead, `if strings.Contains(authority, "@") {`, `if strings.Contains(authority, "@@") {`},
	{"several requests a connection", "quilt/gate/gate.go", "	srv.SetKeepAlivesEnabled(false)\n", ""},
}
