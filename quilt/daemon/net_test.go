package daemon

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// world is a server in the clear and one with TLS, which containers know as
// api.example.com, and the data folder of a quiltd that is told so.
type world struct {
	data, plain, tls string // "api.example.com:PORT"
}

func newWorld(t *testing.T, answer http.HandlerFunc) world {
	t.Helper()
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	w := world{data: dataDir(t)}
	ca := filepath.Join(w.data, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	port := func(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }
	w.plain, w.tls = "api.example.com:"+port(plain.Listener), "api.example.com:"+port(secure.Listener)
	cfg := fmt.Sprintf("[net]\nca = %q\nallow_private = [%q, %q]\n[net.hosts]\n\"api.example.com\" = [\"127.0.0.1\"]\n\"www.example.com\" = [\"127.0.0.1\"]\n",
		ca, plain.Listener.Addr(), secure.Listener.Addr())
	for file, text := range map[string][]byte{ca: text, filepath.Join(w.data, "quiltd.toml"): []byte(cfg)} {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// start makes an image that knows the world's authority: a ready-made one cannot.
func (w world) start(t *testing.T, flags ...string) *pair {
	t.Helper()
	return startPair(t, w.data, append(flags, "-bun", testenv.Bun(t))...)
}

// An unmodified fetch reaches what the lease names, and nothing else.
func TestFetchThroughTheGate(t *testing.T) {
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		case "/big":
			w.Write([]byte(strings.Repeat("x", 3<<20)))
		default:
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.URL, body)
		}
	})
	for _, flags := range [][]string{nil, {"-parked", "2"}} {
		p := w.start(t, flags...)
		tokens := []string{"net:" + w.plain, "net:" + w.tls}
		for i, test := range []struct{ name, body, want string }{
			{"http", `return (await fetch("http://PLAIN/x?y=1")).text()`, "GET PLAIN /x?y=1 "},
			{"http post", `return (await fetch("http://PLAIN/x", {method: "POST", body: "hi"})).text()`, "POST PLAIN /x hi"},
			{"https", `return (await fetch("https://TLS/x")).text()`, "GET TLS /x "},
			{"https post", `return (await fetch("https://TLS/x", {method: "POST", body: "hi"})).text()`, "POST TLS /x hi"},
			{"twice", `await (await fetch("https://TLS/1")).text(); return (await fetch("https://TLS/2")).text()`, "GET TLS /2 "},
			{"many", `return (await Promise.all(Array.from({length: 100}, (_, i) => fetch("http://PLAIN/" + i).then(r => r.text())))).length`, "100"},
			{"big", `return (await (await fetch("https://TLS/big")).text()).length`, fmt.Sprint(3 << 20)},
			{"node http", `return new Promise((ok, no) => require("node:http").get("http://PLAIN/n", r => r.on("data", d => ok(String(d)))).on("error", no))`, "GET PLAIN /n "},
			{"not granted", `return (await fetch("http://other.example.com/")).text()`, "holds no net:other.example.com:80"},
			{"not granted tls", `try { await fetch("https://other.example.com/") } catch (e) { return e.message }`, "holds no net:other.example.com:443"},
			{"other port", `return (await fetch("http://api.example.com/")).text()`, "holds no net:api.example.com:80"},
			{"redirect away", `return (await fetch("http://PLAIN/away")).text()`, "holds no net:elsewhere.example:80"},
		} {
			swap := strings.NewReplacer("PLAIN", w.plain, "TLS", w.tls)
			got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("n", i), Tokens: tokens, Code: unit(swap.Replace(test.body))})
			if !strings.Contains(got.result, swap.Replace(test.want)) {
				t.Errorf("%s: result %s, ended %v, log %v", test.name, got.result, got.ended, got.logs)
			}
		}
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: "none", Code: unit(`try { await fetch("http://127.0.0.1:4180/") } catch (e) { return e.code + " " + e.message }`)})
		if got.result != `"denied this unit holds no net:127.0.0.1:4180"` {
			t.Errorf("without a token: %s %v", got.result, got.ended)
		}
		p.stop(t)
	}
}

// The handle's operations, without the SDK.
func TestNetOperations(t *testing.T) {
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/round":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
		case "/events":
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		default:
			fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, r.Header.Get("Idempotency-Key"))
		}
	})
	p := w.start(t)
	const prelude = `const text = (b) => Buffer.from(b ?? "", "base64").toString();
const ask = async (url, o) => {
	const r = await host.call("net.fetch", {url, ...o});
	if (r.stream && !r.body) r.body = (await host.call("net.read", {stream: r.stream})).body; // it came after the header
	return {...r, body: text(r.body)};
};
const refused = async (f) => { try { await f(); return "answered" } catch (e) { return e.code + " " + e.message } };
`
	swap := strings.NewReplacer("PLAIN", w.plain, "TLS", w.tls)
	for i, test := range []struct{ name, body, want string }{
		{"get", `const r = await ask("https://TLS/x"); return [r.status, r.body, r.url, r.redirected]`, `[200,"GET /x ","https://TLS/x",false]`},
		{"post", `const r = await ask("http://PLAIN/x", {method: "post", body: "aGk=", headers: [["Idempotency-Key", "mine"]]}); return r.body`, `"POST /x mine"`},
		{"follows", `const r = await ask("https://TLS/round"); return [r.body, r.url, r.redirected]`, `["GET /end ","https://TLS/end",true]`},
		{"manual", `const r = await ask("https://TLS/round", {redirect: "manual"}); return [r.status, r.redirected]`, `[302,false]`},
		{"error", `return refused(() => ask("https://TLS/round", {redirect: "error"}))`, `"failed TLS answered with a redirect"`},
		{"away", `return refused(() => ask("https://TLS/away"))`, `"denied this unit holds no net:elsewhere.example:443"`},
		{"events", `let r = await ask("http://PLAIN/events"); let all = r.body; while (all.length < 27) { const n = await host.call("net.read", {stream: r.stream}); all += text(n.body) }
			await host.call("net.close", {stream: r.stream}); return [all, await refused(() => host.call("net.read", {stream: r.stream}))]`,
			`["data: 0\n\ndata: 1\n\ndata: 2\n\n","not_found there is no answer 1 to read"]`},
		{"never read", `await ask("http://PLAIN/events"); return 1`, `1`},
		{"unix", `return refused(() => ask("unix:///run/quilt.sock"))`, "scheme is not http"},
		{"header", `return refused(() => ask("https://TLS/", {headers: [["Host", "other"]]}))`, "belongs to the connection"},
		{"split header", `return refused(() => ask("https://TLS/", {headers: [["X", "a\r\nHost: b"]]}))`, "failed"},
		{"secret", `return refused(() => host.call("secret.get", {name: "K"}))`, "denied the value of secret:K never enters a container"},
	} {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("o", i), Tokens: []string{"net:" + w.plain, "net:" + w.tls}, Code: unit(prelude + swap.Replace(test.body))})
		if !strings.Contains(got.result, swap.Replace(test.want)) {
			t.Errorf("%s: result %s, ended %v", test.name, got.result, got.ended)
		}
	}
}

// Executions with a gate leave nothing open behind, whatever they had open.
func TestGatesLeakNothing(t *testing.T) {
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "some")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/open" {
			<-r.Context().Done()
		}
	})
	p := w.start(t)
	body := strings.NewReplacer("PLAIN", w.plain, "TLS", w.tls).Replace(`await (await fetch("http://PLAIN/")).text(); await (await fetch("https://TLS/")).text();
fetch("http://PLAIN/open"); fetch("https://TLS/open").catch(() => {}); await host.call("net.fetch", {url: "https://TLS/open"}); return 1`)
	cycle := func(n int) holdings {
		for i := range n {
			got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("g", i), Tokens: []string{"net:" + w.plain, "net:" + w.tls}, Code: unit(body)})
			if got.result != "1" {
				t.Fatalf("cycle %d: %v", i, got.ended)
			}
		}
		return p.settled(t)
	}
	first, last := cycle(10), cycle(40)
	for _, m := range more(first, last) {
		t.Errorf("after 10 executions, and after 50: %s", m)
	}
}

// A planned restart keeps the gates: what runs goes on fetching, parked
// containers with a gate stay usable.
func TestGateOutlivesTheEngine(t *testing.T) {
	w := newWorld(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := w.start(t, "-parked", "1")
	swap := strings.NewReplacer("PLAIN", w.plain, "TLS", w.tls)
	tokens := []string{"net:" + w.plain, "net:" + w.tls, "kv:a:rw"}
	done := make(chan ran, 1)
	go func() {
		got, err := p.follow(t.Context(), &quiltv1.ExecuteRequest{Execution: "stays", Tokens: tokens, Code: unit(swap.Replace(`
			const ask = async () => (await (await fetch("http://PLAIN/")).text()) + (await (await fetch("https://TLS/")).text());
			const first = await ask();
			await host.call("kv.put", {ns: "a", key: "k", value: 1});
			for (let i = 0; i < 100; i++) await new Promise(r => setTimeout(r, 20));
			return first + await ask() + ((await host.call("net.fetch", {url: "https://TLS/"})).status)`))})
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	waitFor(t, func() bool { return live(t, p) == 1 })
	time.Sleep(300 * time.Millisecond)
	var out bytes.Buffer
	if err := restart(Config{Data: p.data}, &out); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.result != `"okokokok200"` {
		t.Errorf("%s, %v %v", got.result, got.ended, got.logs)
	}
	for i := range 2 {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("after", i), Tokens: tokens, Code: unit(swap.Replace(`return (await fetch("https://TLS/")).text()`))})
		if got.result != `"ok"` {
			t.Errorf("after the restart: %s, %v", got.result, got.ended)
		}
	}
}
