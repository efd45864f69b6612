package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/test/system"
)

var agentUnits = map[string]string{
	"aria.toml": "name = \"again\"\nversion = \"1.0.0\"\n",
	"src/again.ts": `import { agent, Agent, kv, team, Team, tool } from '@aria/sdk';

export class Sums {
  sums = kv<number>('sums', 'rw');
  /** Add two numbers.
   * @param x one
   * @param y the other */
  @tool()
  async add(x: number, y: number): Promise<number> {
    await this.sums.set('last', x + y);
    return x + y + Math.floor(Math.random());
  }
}

@agent({ model: 'front:m', tools: [Sums.prototype.add] })
export class Front extends Agent<string, string> { instructions = 'Greet.'; }

@agent({ model: 'back:m', tools: [Sums.prototype.add] })
export class Back extends Agent<string, string> { instructions = 'Solve.'; }

@team({ members: [Front, Back], mode: 'handoff', maxTurns: 3, scratchpad: true })
export class Desk extends Team<string, string> {}

@agent({ model: 'friend:m', memory: true })
export class Friend extends Agent<string, string> { instructions = 'Talk.'; }

@agent({ model: 'coder:m', tools: [Sums.prototype.add], code: true, maxSteps: 10 })
export class Coder extends Agent<string, string> { instructions = 'Do sums.'; }
`,
}

// TestReplayOfConversations: runs with hand-overs, the turns of a session, and
// programs that a model wrote are played again identically when their models are
// gone.
func TestReplayOfConversations(t *testing.T) {
	testenv.NeedRoot(t)
	code := func(text string) scripted.Turn { return turnCall("run_code", map[string]string{"code": text}) }
	servers := map[string]*scripted.Server{
		"front": serveScript(t, scripted.Script{Turns: []scripted.Turn{
			turnCall("sums.add", map[string]int{"x": 1, "y": 1}),
			turnCall("scratchpad_write", map[string]string{"key": "who", "text": "Ada"}),
			turnCall("hand_over", map[string]string{"to": "back", "reason": "a hard sum"}),
		}}),
		"back": serveScript(t, scripted.Script{Turns: []scripted.Turn{
			turnCall("sums.add", map[string]int{"x": 2, "y": 2}),
			{Text: "it is 4"},
		}}),
		"friend": serveScript(t, scripted.Script{Turns: []scripted.Turn{{Text: "hello Ada"}, {Text: "you said Ada"}, {Text: "again: Ada"}}}),
		"coder": serveScript(t, scripted.Script{Turns: []scripted.Turn{
			code("const many = await Promise.all([1, 2, 3].map((n) => tools.sums.add({ x: n, y: n })));\nconsole.log('got', many);\nreturn { many, luck: Math.random(), at: Date.now() };"),
			code("return await tools.sums.add({ x: 'no' });"),
			code("throw new Error('on purpose');"),
			{Text: "all tried"},
		}}),
	}
	data := reachable(t)
	var models strings.Builder
	for name, s := range servers {
		fmt.Fprintf(&models, "[providers.%s]\ndialect = \"openai\"\nbase_url = %q\n", name, s.URL())
	}
	writeFile(t, filepath.Join(data, "models.toml"), models.String())
	p := startPairIn(t, data)
	dir, err := system.Project(agentUnits)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := p.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	type played struct {
		shows, id string
		children  int
	}
	var all []played
	for _, x := range []struct {
		shows, want string
		args        []string
		children    int
	}{
		{"a hand-over", `"it is 4"`, []string{"desk", "what is 2 and 2?"}, 2},
		{"the first turn of a session", `"hello Ada"`, []string{"friend", "I am Ada", "--session", "s1"}, 0},
		{"the second", `"you said Ada"`, []string{"friend", "who am I?", "--session", "s1"}, 0},
		{"the third", `"again: Ada"`, []string{"friend", "and again?", "--session", "s1"}, 0},
		{"code mode", `"all tried"`, []string{"coder", "add a lot"}, 0},
	} {
		out, code := p.arc(t, append(append([]string{"task"}, x.args...), "--json", "-q")...)
		var r run
		if err := json.Unmarshal(out, &r); err != nil || r.State != "done" || string(r.Output) != x.want {
			t.Fatalf("%s: exit code %d: %s", x.shows, code, out)
		}
		all = append(all, played{x.shows, r.ID, x.children})
	}
	for _, s := range servers {
		s.Close()
	}
	for _, x := range all {
		out, code := p.arc(t, "replay", x.id, "--json")
		var rep struct {
			Identical                 bool
			Events, Children, Effects int
		}
		if err := json.Unmarshal(out, &rep); err != nil || !rep.Identical || code != 0 || rep.Children < x.children || rep.Effects == 0 {
			t.Errorf("%s: exit code %d: %s", x.shows, code, out)
		}
	}
}
