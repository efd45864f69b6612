package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// needle looks for one text in all forms that it could be kept in.
type needle map[string][]byte

func newNeedle(text string) needle {
	n := needle{"as it is": []byte(text), "hex": []byte(hex.EncodeToString([]byte(text))), "URL": []byte(url.QueryEscape(text)),
		"UTF-16": utf16(text), "backwards": backwards(text)}
	for lead := range 3 { // base64, at each alignment
		all := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", lead) + text))
		n[fmt.Sprint("base64 ", lead)] = []byte(all[4 : len(all)-4])
	}
	return n
}

func utf16(text string) []byte { return []byte(strings.Join(strings.Split(text, ""), "\x00")) }

func backwards(text string) (out []byte) {
	for i := len(text) - 1; i >= 0; i-- {
		out = append(out, text[i])
	}
	return out
}

// in says in which form the text is in data, or "".
func (n needle) in(data []byte) string {
	for form, text := range n {
		if bytes.Contains(data, text) {
			return form
		}
	}
	return ""
}

// memory reads every readable map of a process from outside.
func memory(t *testing.T, pid int, each func(where string, data []byte)) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	const piece, overlap = 16 << 20, 4 << 10
	buf := make([]byte, piece)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || mode[0] != 'r' {
			continue
		}
		for at := from; at < to; at += piece - overlap {
			n, _ := mem.ReadAt(buf[:min(piece, to-at)], at)
			each("memory "+strings.TrimSpace(line), buf[:n])
		}
	}
}

// search looks at everything of the containers, at what the kernel tells of
// every process, and at everything on the disk and in the logs.
func (p pair) search(t *testing.T, extra map[string]string, each func(where string, data []byte)) {
	t.Helper()
	containers := 0
	for _, pid := range p.PIDs() {
		proc := fmt.Sprintf("/proc/%d/", pid)
		for _, f := range []string{"cmdline", "environ", "status", "maps", "mountinfo"} {
			if data, err := os.ReadFile(proc + f); err == nil {
				each(system.CommandLine(pid)+" "+f, data)
			}
		}
		if !system.InContainer(pid) {
			continue
		}
		containers++
		memory(t, pid, each)
		tree(proc+"root/tmp", each)
	}
	if containers == 0 {
		t.Fatal("no container runs")
	}
	tree(p.Dir, each)
	each("log of the daemons", []byte(p.Log()))
	for where, text := range extra {
		each(where, []byte(text))
	}
}

func tree(dir string, each func(where string, data []byte)) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/images/") {
			if data, err := os.ReadFile(path); err == nil {
				each(path, data)
			}
		}
		return nil
	})
}

const secretProject = `import { net, secret, tool } from '@aria/sdk';

export class Keeper {
  api = net('api.test', { auth: secret('PLANTED') });

  /** Use the secret in every way there is, tell all, and stay.
   *  @param control text that may be found
   *  @param ms how long to stay */
  @tool({ timeout: '60s' }) async hold(control: string, ms: number): Promise<string> {
    const r = await this.api.fetch('/v1/x', { method: 'POST', body: control });
    const kept = [control, await r.text(), JSON.stringify([...r.headers]), r.url, JSON.stringify(process.env), JSON.stringify(this.api)];
    for (const ask of [() => secret('PLANTED').value(), () => this.api.fetch('https://www.test/')]) {
      try { kept.push(String(await ask())); } catch (e) { kept.push(String(e)); }
    }
    console.log(kept.join('\n'));
    const until = Date.now() + ms;
    while (Date.now() < until) await new Promise((done) => setTimeout(done, 50));
    return kept.join('\n');
  }

  /** Fail with what came back. */
  @tool() async fail(): Promise<void> { throw new Error(await (await this.api.fetch('/v1/x')).text()); }

  /** Die with what came back in memory. */
  @tool() async crash(): Promise<void> { const t = await (await this.api.fetch('/v1/x')).text(); process.kill(process.pid, 'SIGSEGV'); console.log(t); }
}

declare const process: { env: Record<string, string>; pid: number; kill(pid: number, signal: string): void };
`

// TestSecretIsNowhere plants a credential, lets a unit use it against a server
// that echoes it in every way, and looks for it everywhere but in the memory of
// the process that adds it. What the unit was given openly is found by the same
// search, so the search is not blind.
func TestSecretIsNowhere(t *testing.T) {
	testenv.NeedRoot(t)
	p := startPairIn(t, netFolder(t, "127.0.0.78", echoServer))
	const value, control = "sk_live_PLANTED_8f3b1c9d7e5a2046", "openly_GIVEN_51c0e7a94d2b8f36"
	secretText, given := newNeedle(value), newNeedle(control)
	extra := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	set := p.Arc(ctx, "secret", "set", "PLANTED")
	set.Stdin = strings.NewReader(value + "\n")
	out, err := set.CombinedOutput()
	if err != nil {
		t.Fatalf("arc secret set: %v\n%s", err, out)
	}
	extra["arc secret set"] = string(out)
	dir, err := system.Project(map[string]string{"aria.toml": "name = \"keeper\"\nversion = \"1.0.0\"\n", "src/keeper.ts": secretProject})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bundle, err := p.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	extra["bundle"] = string(bundle)
	if _, err := p.Upload(ctx, dir); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"keeper.fail", "keeper.crash"} {
		text, _ := p.Arc(ctx, "run", unit, "--input", "{}").CombinedOutput()
		extra["arc run "+unit] = string(text)
	}
	if !strings.Contains(extra["arc run keeper.fail"], "[secret PLANTED]") {
		t.Errorf("the failing unit did not use it: %s", extra["arc run keeper.fail"])
	}
	held := make(chan string, 1)
	go func() {
		text, _ := p.Arc(ctx, "run", "keeper.hold", "--input", fmt.Sprintf(`{"control":%q,"ms":6000}`, control)).CombinedOutput()
		held <- string(text)
	}()
	p.waitUntilUsed(t, ctx)
	found := map[string]bool{}
	look := func(where string, data []byte) {
		if form := secretText.in(data); form != "" {
			t.Errorf("the value is in %s (%s)", where, form)
		}
		if given.in(data) != "" {
			kind, _, _ := strings.Cut(where, " ")
			found[kind] = true
		}
	}
	p.search(t, extra, look)
	if !found["memory"] {
		t.Error("the search does not find in a container's memory what is there")
	}
	told := <-held
	if !strings.Contains(told, "auth=Bearer [secret PLANTED]") || !strings.Contains(told, "never enters a container") {
		t.Errorf("the unit did not use it: %s", told)
	}
	look("arc", []byte(told))
	if !found["arc"] {
		t.Error("the unit did not tell what it was given")
	}
	onDisk := false
	tree(p.Dir, func(where string, data []byte) {
		look(where, data)
		onDisk = onDisk || given.in(data) != ""
	})
	if !onDisk {
		t.Error("the search does not find in the journal what is there")
	}
	cores, _ := filepath.Glob("core*")
	if len(cores) != 0 {
		t.Errorf("core files: %v", cores)
	}
}

// waitUntilUsed returns when the unit that stays has told what it saw.
func (p pair) waitUntilUsed(t *testing.T, ctx context.Context) {
	t.Helper()
	for range 200 {
		if out, err := p.Arc(ctx, "ls", "runs").Output(); err == nil {
			if i := bytes.Index(out, []byte("running")); i >= 0 && bytes.Contains(out, []byte("keeper.hold")) {
				time.Sleep(time.Second)
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the unit that stays did not start")
}
