package daemon

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// crashWriter is what a child of the test does: it writes to every store from
// several sides at once and says on stdout what was acknowledged, until it is
// killed.
const crashWriter = "QUILTD_TEST_WRITER"

var crashOps = map[string]func(name string) m{
	"kv.put":        func(n string) m { return m{"ns": "a", "key": n, "value": n} },
	"queue.push":    func(n string) m { return m{"ns": "a", "items": []m{{"body": n}}} },
	"vector.upsert": func(n string) m { return m{"ns": "a", "items": []m{{"id": n, "v": "AACAPwAAgD8=", "meta": m{"n": n}}}} },
	"blob.put":      func(n string) m { return m{"ns": "a", "name": n, "data": base64.StdEncoding.EncodeToString([]byte(n))} },
	"fs.write": func(n string) m {
		return m{"ns": "/a", "path": n, "data": base64.StdEncoding.EncodeToString([]byte(n)), "truncate": true}
	},
}

var crashTokens = []string{"kv:a:rw", "queue:a:rw", "vector:a:rw", "blob:a:rw", "fs:/a:rw"}

func writeUntilKilled(t *testing.T, dir, round string) {
	d := openServices(t, dir)
	set, err := token.ParseSet(crashTokens)
	if err != nil {
		t.Fatal(err)
	}
	grant := broker.Grant{Tokens: set, Fence: d.store.FirstFence() + 1}
	var out sync.Mutex
	for op, args := range crashOps {
		for side := range 3 {
			go func() {
				for i := 0; ; i++ {
					name := fmt.Sprintf("r%s-%d-%d", round, side, i)
					raw, _ := json.Marshal(args(name))
					if _, err := d.ops[op](context.Background(), broker.Call{Execution: "w", Grant: grant, Args: raw}); err != nil {
						fmt.Println("failed", op, err)
						return
					}
					out.Lock()
					fmt.Println("wrote", op, name)
					out.Unlock()
				}
			}()
		}
	}
	time.Sleep(time.Minute)
}

// kill -9 at any instant loses nothing that was acknowledged, in any store.
func TestAKilledWriterLosesNothing(t *testing.T) {
	if round := os.Getenv(crashWriter); round != "" {
		dir, n, _ := strings.Cut(round, "#")
		writeUntilKilled(t, dir, n)
		return
	}
	dir := t.TempDir()
	written := map[string][]string{}
	for round := range 4 {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestAKilledWriterLosesNothing$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s#%d", crashWriter, dir, round))
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(pipe); lines.Scan(); n++ {
			f := strings.Fields(lines.Text())
			if len(f) == 3 && f[0] == "wrote" {
				written[f[1]] = append(written[f[1]], f[2])
			} else if len(f) > 0 && f[0] == "failed" {
				t.Fatal(lines.Text())
			}
			if n == 60+round*97 {
				cmd.Process.Kill() // what it still says was acknowledged too
			}
		}
		cmd.Wait()
	}
	d := openServices(t, dir)
	for op := range crashOps {
		if len(written[op]) == 0 {
			t.Errorf("nothing was written with %s", op)
		}
	}
	checkWritten(t, d, written)
	t.Logf("%d acknowledged writes in 4 rounds", len(written["kv.put"])+len(written["queue.push"])+len(written["vector.upsert"])+len(written["blob.put"])+len(written["fs.write"]))
}

func checkWritten(t *testing.T, d *data, written map[string][]string) {
	t.Helper()
	tok, fence := strings.Join(crashTokens, " "), d.store.FirstFence()+1
	want := func(op string, args m, part string) {
		if got, err := d.ask(t, tok, fence, op, args); err != nil || !strings.Contains(got, part) {
			t.Errorf("%s %v: %.200s %v, want %s", op, args, got, err, part)
		}
	}
	for _, n := range written["kv.put"] {
		want("kv.get", m{"ns": "a", "key": n}, n)
	}
	for _, n := range written["blob.put"] {
		want("blob.read", m{"ns": "a", "name": n, "length": 100}, base64.StdEncoding.EncodeToString([]byte(n)))
	}
	for _, n := range written["fs.write"] {
		want("fs.read", m{"ns": "/a", "path": n, "length": 100}, base64.StdEncoding.EncodeToString([]byte(n)))
	}
	for _, n := range written["vector.upsert"] {
		want("vector.query", m{"ns": "a", "v": "AACAPwAAgD8=", "k": 1, "where": m{"n": n}}, `"id":"`+n+`"`)
	}
	bodies := map[string]bool{}
	for {
		got, err := d.ask(t, tok, fence, "queue.claim", m{"ns": "a", "max": 100})
		if err != nil {
			t.Fatal(err)
		}
		var b struct{ Items []struct{ Body string } }
		if err := json.Unmarshal([]byte(got), &b); err != nil || len(b.Items) == 0 {
			break
		}
		for _, it := range b.Items {
			bodies[it.Body] = true
		}
	}
	for _, n := range written["queue.push"] {
		if !bodies[n] {
			t.Errorf("queue item %s is lost", n)
		}
	}
}
