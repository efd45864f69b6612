package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// fetchUnits reach api.test in every way that is no handle.
var fetchUnits = map[string]string{
	"aria.toml": "name = \"ship\"\nversion = \"1.0.0\"\n",
	"src/node.d.ts": `declare module 'node:http' { const m: any; export default m; }
declare module 'node:https' { const m: any; export default m; }
`,
	"src/ship.ts": `import http from 'node:http';
import https from 'node:https';
import { net, pipeline, Pipeline } from '@aria/sdk';

const at = 'api.test';
const node = (m: any, url: string, method: string, headers: object, body: string) => new Promise<string>((ok, no) => {
  const r = m.request(url, { method, headers }, (res: any) => {
    let t = '';
    res.setEncoding('utf8');
    res.on('data', (d: string) => { t += d; });
    res.on('end', () => ok(res.statusCode + ' ' + res.headers['x-kind'] + ' ' + t));
  });
  r.on('error', no);
  r.end(body);
});

class Way extends Pipeline<{ id: string }, string[]> {
  plain = net('http://api.test');
  secure = net('api.test');

  async all(id: string): Promise<string[]> {
    const url = (s: string) => 'https://' + at + '/' + id + '/' + s;
    const form = new FormData();
    form.set('file', new Blob(['some text']), 'a.txt');
    const out = await Promise.all([
      fetch(url('post'), { method: 'POST', body: 'hello' }).then((r) => r.text()),
      fetch(url('post').replace('https', 'http'), { method: 'POST', body: 'clear' }).then((r) => r.text()),
      fetch(new Request(url('keyed'), { method: 'POST', headers: { 'Idempotency-Key': id } })).then((r) => r.text()),
      fetch(url('form'), { method: 'POST', body: form, headers: { 'x-trace': String(performance.now()) } }).then((r) => r.text()),
      fetch(url('large'), { method: 'POST', body: 'x'.repeat(5 << 20) }).then((r) => r.text()),
      node(https, url('node'), 'POST', { 'content-type': 'text/plain', 'content-length': 3 }, 'abc'),
      node(http, url('node').replace('https', 'http'), 'GET', {}, ''),
    ]);
    const late = AbortSignal.timeout(200);
    out.push(await fetch(url('never'), { signal: late }).then(() => 'came', (e) => e.name));
    return out;
  }
}

/** Reads what is held back, which can be asked for again. */
@pipeline()
export class Read extends Way {
  async run(i: { id: string }): Promise<string[]> {
    const out = await this.all(i.id);
    out.push(await (await fetch('https://api.test/' + i.id + '/hold')).text());
    return out;
  }
}

/** Sends what is held back, with a key, and without one. */
@pipeline()
export class Send extends Way {
  async run(i: { id: string }): Promise<string[]> {
    const out = await this.all(i.id);
    const send = (path: string, headers: Record<string, string>) => fetch('http://api.test/' + i.id + path, { method: 'POST', headers })
      .then((r) => r.text(), (e) => e.code + ' ' + e.retryable);
    out.push(...await Promise.all([send('/hold', { 'Idempotency-Key': 'k-' + i.id }), send('/hold/bare', {})]));
    return out;
  }
}

/** Reads a stream that is cut. */
@pipeline()
export class Stream extends Way {
  async run(i: { id: string }): Promise<string[]> {
    const out: string[] = [];
    const text = new TextDecoder();
    for (const method of ['GET', 'POST']) {
      try {
        for await (const part of (await fetch('https://api.test/' + i.id + '/events', { method })).body!) out.push(text.decode(part));
      } catch (e: any) { out.push(e.code); }
    }
    return out;
  }
}

/** Sockets of its own. */
@pipeline()
export class Beside extends Way {
  async run(i: { id: string }): Promise<string[]> {
    const native: any = (globalThis as any).Bun.fetch;
    return [await (await native('http://api.test/' + i.id + '/beside')).text(), await (await native('https://api.test/' + i.id + '/beside')).text()];
  }
}
`,
}

// outside counts requests by path and key. What is called hold waits, the first
// time, until whoever asks has gone, or release is closed.
type outside struct {
	mu      sync.Mutex
	seen    map[string]int
	held    chan string
	release chan struct{}
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	o.seen[r.URL.Path]++
	o.seen[r.URL.Path+" "+r.Header.Get("Idempotency-Key")]++
	first := o.seen[r.URL.Path] == 1
	o.mu.Unlock()
	w.Header().Set("X-Kind", "counted")
	if strings.HasSuffix(r.URL.Path, "/events") {
		fmt.Fprint(w, r.Method+" begins")
		w.(http.Flusher).Flush()
	}
	wait := strings.Contains(r.URL.Path, "/hold") || strings.HasSuffix(r.URL.Path, "/events")
	if strings.HasSuffix(r.URL.Path, "/never") {
		<-r.Context().Done()
		return
	}
	if wait && (first || strings.HasSuffix(r.URL.Path, "/events")) {
		o.held <- r.URL.Path
		select {
		case <-o.release:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprintf(w, "%s %d", r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], len(body))
}

func (o *outside) times(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[path]
}

// TestPlainFetch: what a unit sends by fetch and node:http is done once, whichever
// daemon is killed while it waits, and is played again with nothing outside.
func TestPlainFetch(t *testing.T) {
	testenv.NeedRoot(t)
	o := &outside{seen: map[string]int{}, held: make(chan string, 100), release: make(chan struct{})}
	p := startPairIn(t, netFolder(t, "127.0.0.78", o.ServeHTTP))
	dir, err := system.Project(fetchUnits)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := p.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	all := `"post 5","post 5","keyed 0","form 230","large 5242880","200 counted node 3","200 counted node 0","TimeoutError"`
	var replays []string
	for _, victim := range []string{"ariad serve", "quiltd engine"} {
		for _, c := range []struct {
			unit, want string
			held       int
			twice      string // path that is asked for again
		}{
			{"read", `[` + all + `,"hold 0"]`, 1, "/hold"},
			{"send", `[` + all + `,"hold 0","uncertain false"]`, 2, "/hold"},
			{"stream", `["GET begins","interrupted","POST begins","uncertain"]`, 1, ""},
		} {
			id := c.unit + strings.Fields(victim)[0]
			t.Run(id, func(t *testing.T) {
				r := o.killed(t, p, c.unit, id, victim, c.held)
				if string(r.Output) != c.want {
					t.Errorf("%s: %s %+v\nwant %s", r.State, r.Output, r.Error, c.want)
				}
				for _, once := range []string{"/post", "/keyed", "/form", "/large", "/node"} {
					want := map[string]int{"/post": 2, "/node": 2}[once] // http and https
					if got := o.times("/" + id + once); c.unit != "stream" && got != max(want, 1) {
						t.Errorf("%s was asked for %d times", once, got)
					}
				}
				if c.twice != "" && (o.times("/"+id+c.twice) != 2 || c.unit == "send" && o.times("/"+id+"/hold k-"+id) != 2) {
					t.Errorf("%s: %d", c.twice, o.times("/"+id+c.twice))
				}
				if c.unit == "send" && o.times("/"+id+"/hold/bare") != 1 {
					t.Errorf("a POST without a key was made %d times", o.times("/"+id+"/hold/bare"))
				}
				replays = append(replays, r.ID)
			})
		}
	}
	o.mu.Lock()
	o.seen = map[string]int{}
	o.mu.Unlock()
	for _, id := range replays {
		out, code := p.arc(t, "replay", id, "--json")
		if !strings.Contains(string(out), `"identical":true`) || code != 0 {
			t.Errorf("replay: exit code %d\n%s", code, out)
		}
	}
	if len(o.seen) > 0 {
		t.Errorf("a replay asked for %v", o.seen)
	}
	r, _ := p.run(t, "beside", `{"id":"b"}`)
	if !strings.Contains(string(r.Output), "where it cannot be recorded") || !strings.Contains(string(r.Output), `"beside 0"`) {
		t.Errorf("%s %+v", r.Output, r.Error)
	}
	if out, _ := p.arc(t, "logs", r.ID); !strings.Contains(string(out), "the tunnel to api.test:443 is not recorded") {
		t.Errorf("%s", out)
	}
}

// killed runs a unit and kills a daemon each time that the server holds as many
// requests of it as it has at once.
func (o *outside) killed(t *testing.T, p pair, unit, id, victim string, held int) run {
	t.Helper()
	type ending struct {
		out  []byte
		code int
	}
	over := make(chan ending, 1)
	go func() {
		out, code := p.arc(t, "run", unit, "--input", fmt.Sprintf(`{"id":%q}`, id), "--json", "-q")
		over <- ending{out, code}
	}()
	n := 0
	for {
		select {
		case <-o.held:
			if n++; n%held == 0 {
				time.Sleep(300 * time.Millisecond) // until what it has learned is on disk
				if err := syscall.Kill(p.Find(victim), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		case e := <-over:
			var r run
			if err := json.Unmarshal(e.out, &r); err != nil {
				t.Fatalf("exit code %d, not a run: %s", e.code, e.out)
			}
			return r
		case <-time.After(60 * time.Second):
			t.Fatalf("it has not ended\n%s", p.Log())
		}
	}
}
