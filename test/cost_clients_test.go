package test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/test/system"
)

var payers = map[string]string{
	"aria.toml": "name = \"payers\"\nversion = \"1.0.0\"\n[allow]\nimports = [\"node:child_process\", \"node:worker_threads\"]\n",
	"src/payers.ts": `import Anthropic from '@anthropic-ai/sdk';
import { llm, pipeline, Pipeline } from '@aria/sdk';
import OpenAI from 'openai';

const messages = [{ role: 'user' as const, content: 'where is it?' }];
const mini = { model: 'gpt-4o-mini', messages, max_tokens: 40 };
const haiku = { model: 'claude-haiku', messages, max_tokens: 40 };

abstract class Payer extends Pipeline<string, string> {
  mini = llm('openai:gpt-4o-mini');
  haiku = llm('anthropic:claude-haiku');
}

// Everybody asks in every way, and the handle once.
@pipeline()
export class All extends Payer {
  async run(): Promise<string> {
    const openai = new OpenAI(), anthropic = new Anthropic();
    let text = (await openai.chat.completions.create(mini)).choices[0]!.message.content ?? '';
    for await (const c of await openai.chat.completions.create({ ...mini, stream: true })) text += c.choices[0]?.delta.content ?? '';
    const whole = await anthropic.messages.create(haiku);
    text += whole.content.map((b) => (b.type === 'text' ? b.text : '')).join('');
    text += await anthropic.messages.stream(haiku).finalText();
    return text + (await this.mini.text('and?'));
  }
}

// Plain fetch; its answer does not say what was used.
@pipeline()
export class Plain extends Payer {
  async run(): Promise<string> {
    const res = await fetch(process.env.OPENAI_BASE_URL + '/chat/completions', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(mini),
    });
    return ((await res.json()) as any).choices[0].message.content;
  }
}

// It is over while a stream comes, of which it has read the first word.
@pipeline()
export class Leaves extends Payer {
  async run(): Promise<string> {
    for await (const c of await new OpenAI().chat.completions.create({ ...mini, stream: true })) {
      if (c.choices[0]?.delta.content) return 'enough';
    }
    return 'all';
  }
}

// It asks, then reads a stream, again if that breaks off.
@pipeline()
export class Cut extends Payer {
  async run(): Promise<string> {
    const openai = new OpenAI();
    const first = (await openai.chat.completions.create(mini)).choices[0]!.message.content ?? '';
    for (;;) {
      try {
        let rest = '';
        for await (const c of await openai.chat.completions.create({ ...mini, stream: true })) rest += c.choices[0]?.delta.content ?? '';
        return first + rest;
      } catch (e) {
        console.log(String(e));
      }
    }
  }
}
`,
}

const payersFile = `
[providers.openai]
dialect = "openai"
base_url = "PROVIDER/v1"
key_file = "KEYFILE"
[providers.openai.models."gpt-4o-mini"]
price = { input = 1.0, output = 3.0 }
[providers.anthropic]
dialect = "anthropic"
base_url = "PROVIDER"
key_file = "KEYFILE"
`

type billed struct {
	Total billLine
	Lines []billLine
}

type billLine struct {
	Name                                                         string
	Runs, Turns, InputTokens, OutputTokens, Uncertain, Estimated int64
	USD                                                          float64
	Unpriced                                                     bool
}

func (p pair) bill(t *testing.T, run, by string) (out billed) {
	t.Helper()
	text, code := p.arc(t, "cost", run, "--by", by, "--json")
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("exit code %d: %s", code, text)
	}
	return out
}

// uploadWithClients builds and uploads a project beside the official clients of models.
func (p pair) uploadWithClients(t *testing.T, files map[string]string) {
	t.Helper()
	testenv.NeedModules(t, "clients")
	clients, err := filepath.Abs("clients")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := system.Project(files)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, f := range []string{"package.json", "package-lock.json", "node_modules"} {
		if err := os.Symlink(filepath.Join(clients, f), filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

// TestCostOfModelClients: arc cost says of what unmodified clients asked models for
// what the provider reported, by each way to add up, and a replay adds nothing.
func TestCostOfModelClients(t *testing.T) {
	testenv.NeedRoot(t)
	turn := func(in, out int64) scripted.Turn {
		return scripted.Turn{Text: "x", Usage: &scripted.Usage{Input: in, Output: out}}
	}
	p, provider := startWithScript(t, payersFile, scripted.Script{Turns: []scripted.Turn{
		turn(1, 20), turn(300, 4000), turn(50000, 6), turn(70, 800), turn(9, 1),
		turn(11, 12), turn(13, 14), turn(15, 16)}})
	p.uploadWithClients(t, payers)
	r, code := p.run(t, "all", `""`)
	if string(r.Output) != `"xxxxx"` {
		t.Fatalf("exit code %d: %s %+v", code, r.Output, r.Error)
	}
	mini := billLine{Runs: 1, Turns: 3, InputTokens: 310, OutputTokens: 4021, USD: (310 + 3*4021) / 1e6}
	haiku := billLine{Runs: 1, Turns: 2, InputTokens: 50070, OutputTokens: 806, Unpriced: true}
	both := billLine{Runs: 1, Turns: 5, InputTokens: 50380, OutputTokens: 4827, USD: mini.USD, Unpriced: true}
	named := func(l billLine, name string) billLine { l.Name = name; return l }
	check := func() {
		t.Helper()
		for by, want := range map[string][]billLine{
			"model": {named(mini, "openai:gpt-4o-mini"), named(haiku, "anthropic:claude-haiku")}, "": {both}, "unit": {named(both, "all")},
			"tenant": {named(both, "default")}, "agent": {named(both, "(no agent)")}, "bundle": {named(both, r.Bundle)},
		} {
			if diff := cmp.Diff(want, p.bill(t, r.ID, by).Lines, cmp.Comparer(about)); diff != "" {
				t.Errorf("by %q (-want +got):\n%s", by, diff)
			}
		}
	}
	check()
	if out, code := p.arc(t, "replay", r.ID); code != 0 {
		t.Errorf("replay: %d %s", code, out)
	}
	check()
	out, _ := p.arc(t, "logs", r.ID)
	var spent []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "model.spent") {
			spent = append(spent, line)
		}
	}
	if len(spent) != 4 || !strings.Contains(spent[1], `effect=main.1/`) || !strings.Contains(spent[1], `usage={"inputTokens":300,"outputTokens":4000`) {
		t.Errorf("%d lines: %s", len(spent), out)
	}
	p.checkFork(t, r.ID)
	if err := provider.Err(); err != nil {
		t.Error(err)
	}
	if out, _ = p.arc(t, "tail", r.ID); !strings.Contains(string(out), "openai:gpt-4o-mini 300 tokens in, 4000 out, $0.0123\n") {
		t.Errorf("%s", out)
	}
}

// checkFork: what is done again for real behind the third answer is paid by who does it.
func (p pair) checkFork(t *testing.T, id string) {
	t.Helper()
	out, _ := p.arc(t, "replay", id, "--from", fmt.Sprint(p.seqOf(t, id, "model.spent", 3)), "--live", "--json")
	var fork run
	if err := json.Unmarshal(out, &fork); err != nil || string(fork.Output) != `"xxxxx"` || fork.ID == id {
		t.Fatalf("%v: %s", err, out)
	}
	want := []billLine{{Name: "openai:gpt-4o-mini", Runs: 1, Turns: 1, InputTokens: 15, OutputTokens: 16, USD: (15 + 3*16) / 1e6},
		{Name: "anthropic:claude-haiku", Runs: 1, Turns: 2, InputTokens: 24, OutputTokens: 26, Unpriced: true}}
	if diff := cmp.Diff(want, p.bill(t, fork.ID, "model").Lines, cmp.Comparer(about)); diff != "" {
		t.Errorf("the fork (-want +got):\n%s", diff)
	}
}

// seqOf is the number of the nth event of a kind.
func (p pair) seqOf(t *testing.T, run, kind string, n int) uint64 {
	t.Helper()
	out, _ := p.arc(t, "logs", run, "--json")
	for line := range strings.Lines(string(out)) {
		var e struct {
			Seq  uint64
			Kind string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Kind == kind {
			if n--; n == 0 {
				return e.Seq
			}
		}
	}
	t.Fatalf("too few %s: %s", kind, out)
	return 0
}

// What the provider does not say, or what nobody read to its end, is counted as the
// most that it can have been, and before its run has ended.
func TestCostOfUnsaidAnswers(t *testing.T) {
	testenv.NeedRoot(t)
	p, _ := startWithScript(t, payersFile, scripted.Script{Turns: []scripted.Turn{
		{Raw: `{"choices":[{"message":{"role":"assistant","content":"x"}}]}`}, {Text: strings.Repeat("word ", 50), PaceMS: 2000}}})
	p.uploadWithClients(t, payers)
	for _, c := range []struct{ unit, want string }{{"plain", `"x"`}, {"leaves", `"enough"`}} {
		unit, want := c.unit, c.want
		r, code := p.run(t, unit, `""`)
		if string(r.Output) != want {
			t.Fatalf("%s: exit code %d: %s %+v", unit, code, r.Output, r.Error)
		}
		l := p.bill(t, r.ID, "model").Total
		if l.Turns != 1 || l.Estimated != 1 || l.Uncertain != 0 || l.InputTokens < 1024 || l.OutputTokens != 40 || !about(l.USD, float64(l.InputTokens+3*40)/1e6) {
			t.Errorf("%s: %+v", unit, l)
		}
		if out, _ := p.arc(t, "cost", r.ID); !strings.Contains(string(out), "1 turns (1 estimated), ") {
			t.Errorf("%s", out)
		}
	}
}

// about: dollars are sums of floats.
func about(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
