package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"
)

// serveGate answers whatever comes out of the container with its request line.
func serveGate(t *testing.T, k *Container) {
	t.Helper()
	l, err := net.FileListener(k.Gate)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Write([]byte(r.RequestURI))
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
}

// TestGate: an unmodified client reaches whoever serves the gate and nobody else.
func TestGate(t *testing.T) {
	c := sharedClient(t)
	k := begin(t, c, Spec{Net: true, CPUMillis: 2000}, `
const tell = async (f) => { try { return await f() } catch (e) { return "! " + (e.code ?? e.name) } };
const tcp = (o) => new Promise((ok, no) => { const s = require("net").connect(o, () => ok("open")); s.on("error", no) });
const udp = () => new Promise((ok, no) => { const s = require("dgram").createSocket("udp4"); s.on("error", no); s.bind(0, () => ok("open")) });
console.log(JSON.stringify({
  proxied: await tell(async () => (await fetch("http://api.example/x?y=1")).text()),
  self: await tell(async () => (await fetch("http://127.0.0.1:4180/openai/v1", { proxy: undefined })).text()),
  node: await tell(() => new Promise((ok, no) => require("http").get("http://api.example/n", r => r.on("data", d => ok(String(d)))).on("error", no))),
  tunnel: await tell(async () => (await fetch("https://api.example/x")).text()),
  port: await tell(() => tcp({ host: "127.0.0.1", port: 22 })),
  other: await tell(() => tcp({ host: "169.254.169.254", port: 80 })),
  v6: await tell(() => tcp({ host: "::1", port: 4180 })),
  udp: await tell(udp),
}));`)
	serveGate(t, k)
	o := end(t, k)
	var got map[string]string
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	for name, want := range map[string]string{
		"proxied": "http://api.example/x?y=1", "self": "http://127.0.0.1:4180/openai/v1", "node": "http://api.example/n",
		"tunnel": "! ERR_PROXY_TUNNEL", "port": "! ECONNREFUSED",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"other", "v6", "udp"} {
		if got[name] == "" || got[name][0] != '!' {
			t.Errorf("%s: %q", name, got[name])
		}
	}
}

// TestNoGate: without Spec.Net nothing of it is there.
func TestNoGate(t *testing.T) {
	o := runCode(t, Spec{}, `
try { await fetch("http://127.0.0.1:4180/"); console.log("answered") } catch (e) { console.log(process.env.HTTP_PROXY, e.code) }`)
	if o.stdout != "undefined EAFNOSUPPORT\n" {
		t.Errorf("%q %q", o.stdout, o.stderr)
	}
}

// A claim cannot give a parked container a gate, or take it.
func TestClaimKeepsTheGate(t *testing.T) {
	c := sharedClient(t)
	wait := []string{"/bin/attacker", "attacker-wait"}
	for _, has := range []bool{true, false} {
		k := begin(t, c, Spec{Argv: wait, Net: has}, "")
		p, err := NewPlan(Spec{ID: "claimer", Argv: wait, Net: !has, Pids: 16}, c.Hello())
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Claim(t.Context(), p); err == nil {
			t.Errorf("a claim changed Net from %v", has)
		}
		k.Kill()
		end(t, k)
	}
}

func TestNetFilterArguments(t *testing.T) { eachABI(t, netFilterArguments) }

func netFilterArguments(t *testing.T, a abi) {
	plain, prog := a.compile(variant{}), a.compile(variant{net: true})
	eaf, enop := errnoResult(unix.EAFNOSUPPORT), errnoResult(unix.ENOPROTOOPT)
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	for _, r := range []struct {
		what string
		call string
		args []uint64
		want uint32
	}{
		{"unix", "socket", []uint64{unix.AF_UNIX, unix.SOCK_DGRAM, 0}, retOK},
		{"tcp", "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM | flags, 0}, retOK},
		{"tcp by number", "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP}, retOK},
		{"mptcp", "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, eaf},
		{"sctp", "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP}, eaf},
		{"udp", "socket", []uint64{unix.AF_INET, unix.SOCK_DGRAM | flags, 0}, eaf},
		{"raw", "socket", []uint64{unix.AF_INET, unix.SOCK_RAW, 1}, eaf},
		{"inet6", "socket", []uint64{unix.AF_INET6, unix.SOCK_STREAM, 0}, eaf},
		{"netlink", "socket", []uint64{unix.AF_NETLINK, unix.SOCK_STREAM, 0}, eaf},
		{"vsock", "socket", []uint64{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, eaf},
		{"inet pair", "socketpair", []uint64{unix.AF_INET, 1, 0}, eaf},
		{"keep alive", "setsockopt", []uint64{3, unix.SOL_SOCKET, unix.SO_KEEPALIVE}, retOK},
		{"no delay", "setsockopt", []uint64{3, unix.IPPROTO_TCP, unix.TCP_NODELAY}, retOK},
		{"upper-layer protocol", "setsockopt", []uint64{3, unix.IPPROTO_TCP, unix.TCP_ULP}, enop},
		{"repair", "setsockopt", []uint64{3, unix.IPPROTO_TCP, unix.TCP_REPAIR}, enop},
		{"ip options", "setsockopt", []uint64{3, unix.IPPROTO_IP, unix.IP_OPTIONS}, enop},
		{"a thread", "clone3", []uint64{0, 88}, errnoResult(unix.ENOSYS)},
	} {
		if got := evaluate(t, prog, a.audit, a.number(t, r.call), r.args...); got != r.want {
			t.Errorf("%s: %#x, want %#x", r.what, got, r.want)
		}
	}
	// All else is as strict as without a gate.
	changed := map[uint32]bool{a.number(t, "socket"): true, a.number(t, "setsockopt"): true}
	for nr := range uint32(1100) {
		if without, with := evaluate(t, plain, a.audit, nr), evaluate(t, prog, a.audit, nr); without != with && !changed[nr] {
			t.Errorf("call %d: %#x with a gate, %#x without", nr, with, without)
		}
	}
}
