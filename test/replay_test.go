package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/test/system"
)

var longAgent = map[string]string{
	"aria.toml": "name = \"long\"\nversion = \"1.0.0\"\n",
	"src/long.ts": `import { agent, Agent, kv, tool } from '@aria/sdk';

export class Steps {
  seen = kv<number>('long/seen', 'rw');
  /** Takes a step.
   * @param n its number */
  @tool()
  async take(n: number): Promise<{ n: number; luck: number }> {
    await this.seen.set('last', n);
    return { n, luck: Math.random() };
  }
}

@agent({ model: 'steps:mini', tools: [Steps], maxSteps: 40 })
export class Walker extends Agent<{ goal: string }, { text: string }> { instructions = 'Walk.'; }
`,
}

const stepsProvider = `
[providers.steps]
dialect = "openai"
base_url = "PROVIDER/v1"
key_file = "KEYFILE"
`

// TestReplayOfAnAgent: a run of thirty turns is played again identically, in less
// than a second, when its provider is gone and its key too.
func TestReplayOfAnAgent(t *testing.T) {
	testenv.NeedRoot(t)
	const turns = 30
	script := scripted.Script{}
	for n := 1; n < turns; n++ {
		script.Turns = append(script.Turns, scripted.Turn{Calls: []scripted.Call{{Name: "steps.take", Arguments: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}}})
	}
	script.Turns = append(script.Turns, scripted.Turn{Text: `{"text":"walked"}`})
	pair, provider := startWithScript(t, stepsProvider, script)
	key := filepath.Join(pair.Dir, "provider.key")
	if err := os.Chown(key, 64101, 64101); err != nil { // ariad's user
		t.Fatal(err)
	}
	dir, err := system.Project(longAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := pair.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	run, err := pair.Run(t.Context(), "walker", `{"goal":"far"}`)
	if err != nil || run.State != "done" {
		t.Fatalf("%v %v\n%s", run, err, pair.Log())
	}
	provider.Close()
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	out, err := pair.Arc(t.Context(), "replay", run.Id, "--json").Output()
	took := time.Since(began)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var rep struct {
		Identical         bool
		Events, Children  int
		Divergence, Error any
	}
	if err := json.Unmarshal(out, &rep); err != nil {
		t.Fatal(err)
	}
	if !rep.Identical || rep.Children != turns-1 || rep.Events != 2+1+2*turns+2*(turns-1) {
		t.Errorf("%s", out)
	}
	if took > testenv.Patience(time.Second) {
		t.Errorf("the replay took %s", took)
	}
	t.Logf("%d turns, %d events in %s", turns, rep.Events, took)
}
