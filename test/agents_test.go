package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// TestAgents runs the scripts of testdata/agents with models that follow a script
// each, and looks at the leases of agents.
func TestAgents(t *testing.T) {
	testenv.NeedRoot(t)
	code := func(lines ...string) scripted.Turn {
		return turnCall("run_code", map[string]string{"code": strings.Join(lines, "\n")})
	}
	servers := map[string]*scripted.Server{
		"coder": serveScript(t, scripted.Script{Turns: []scripted.Turn{
			code("const a: number = await tools.sums.add({ x: 1, y: 2 });",
				"const many = await Promise.all([1, 2, 3].map((n) => tools.sums.add({ x: n, y: a })));",
				"console.log('got', many);", "return { many };"),
			hears(code("const x: = 3;"), `{"many":[4,5,6]}`, `got [4,5,6]`),
			hears(code("", "return await fetch('http://example.com/');"), "does not compile: line 1"),
			hears(code("return await globalThis[Symbol.for('aria.host')].call('kv.get', { ns: 'sums', key: 'a' });"), "net:example.com"),
			hears(code("return await globalThis[Symbol.for('aria.host')].call('run.call', { class: 'sums.hidden', method: '', args: [] });"), "denied"),
			hears(code("try { await tools.sums.add({ x: 'no' }); } catch (e) { return e.message; }"), "may not call"),
			hears(scripted.Turn{Text: "all tried"}, "sums.add: input"),
		}}),
		"looper": serveScript(t, scripted.Script{Forever: true, Turns: []scripted.Turn{code("while (true) {}")}}),
		"keeper": serveScript(t, scripted.Script{Turns: []scripted.Turn{
			code("return await tools.sums.add({ x: 2, y: 3 });"),
			hears(turnCall("make_tool", map[string]any{"name": "twice", "description": "Add a number to itself.",
				"input": json.RawMessage(`{"type":"object","properties":{"n":{"type":"number"}},"required":["n"]}`),
				"code":  "return await tools.sums.add({ x: input.n, y: input.n });"}), `{"result":5}`),
			hears(turnCall("made.twice", map[string]int{"n": 21}), `"kept":"made.twice"`),
			hears(scripted.Turn{Text: "it is there"}, "42"),
		}}),
		"slow":   serveScript(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "at last", DelayMS: 1500}}}),
		"friend": serveScript(t, scripted.Script{Turns: []scripted.Turn{{Text: "hello Ada"}, {Text: "you said Ada"}, {Text: "again: Ada"}}}),
	}
	data := reachable(t)
	var models strings.Builder
	for name, s := range servers {
		fmt.Fprintf(&models, "[providers.%s]\ndialect = \"openai\"\nbase_url = %q\n", name, s.URL())
	}
	writeFile(t, filepath.Join(data, "models.toml"), models.String())
	writeFile(t, filepath.Join(data, "policy.toml"), "[machine.pools]\n\"llm:slow\" = 1\n")
	config := filepath.Join(data, "ariad.toml")
	writeFile(t, config, "[resident]\nmodel = \"keeper:m\"\ntools = [\"agents@*#sums.add\"]\ncode = true\nmake_tools = true\n")
	p := startPairIn(t, data, "--config", config)
	ps := params("testdata/agents")
	ps.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		env.Setenv("ARIA_SERVER", p.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", p.credential)
		return nil
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, ps) })
	t.Run("lease", func(t *testing.T) { showLease(t, p) })
	for _, name := range []string{"coder", "friend", "keeper"} {
		if err := servers[name].Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	asked := servers["friend"].Requests()
	if len(asked) != 3 || len(asked[2].Messages) != 6 {
		t.Errorf("the third turn of the session is not as it should be: %+v", asked)
	}
}

// showLease: one agent holds its model's token while it answers, a second waits
// for it, and both can be seen.
func showLease(t *testing.T, p pair) {
	if out, code := p.arc(t, "run", "thinker", "--input", `"go"`, "--detach"); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	p.until(t, "the first holds its model", func() bool {
		out, _ := p.arc(t, "tokens")
		return strings.Contains(string(out), "llm:slow:m")
	})
	out, code := p.arc(t, "run", "thinker", "--input", `"go"`, "--detach")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	second := strings.TrimSpace(string(out))
	p.until(t, "arc why says what the second waits for", func() bool {
		out, _ := p.arc(t, "why", second)
		return strings.Contains(string(out), "llm:slow")
	})
	p.until(t, "both end", func() bool {
		out, _ := p.arc(t, "logs", second)
		return strings.Contains(string(out), "ended")
	})
}

func turnCall(name string, args any) scripted.Turn {
	raw, _ := json.Marshal(args)
	return scripted.Turn{Calls: []scripted.Call{{Name: name, Arguments: raw}}}
}

// hears is a turn that comes after a result with these words.
func hears(turn scripted.Turn, words ...string) scripted.Turn {
	turn.Expect = scripted.Expect{LastRole: "tool", Contains: words}
	return turn
}

func serveScript(t *testing.T, s scripted.Script) *scripted.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := scripted.Serve(ln, s)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// reachable is a folder that the daemons' users can get into.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aria-agents-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
