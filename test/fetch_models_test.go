package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

var clientUnits = map[string]string{
	"aria.toml": "name = \"letters\"\nversion = \"1.0.0\"\n[allow]\nimports = [\"node:child_process\", \"node:worker_threads\"]\n",
	"src/letters.ts": `import Anthropic from '@anthropic-ai/sdk';
import { llm, pipeline, Pipeline } from '@aria/sdk';
import OpenAI from 'openai';

@pipeline()
export class Letters extends Pipeline<{ letter: string }, string[]> {
  mini = llm('openai:gpt-4o-mini');
  haiku = llm('anthropic:claude-haiku');

  async run(i: { letter: string }): Promise<string[]> {
    const messages = [{ role: 'user' as const, content: i.letter }];
    const whole = await new OpenAI().chat.completions.create({ model: 'gpt-4o-mini', messages });
    const out = [whole.choices[0]!.message.content ?? ''];
    const parts = await new OpenAI().chat.completions.create({ model: 'gpt-4o-mini', stream: true, messages });
    let text = '';
    for await (const chunk of parts) text += chunk.choices[0]?.delta.content ?? '';
    out.push(text, await new Anthropic().messages.stream({ model: 'claude-haiku', max_tokens: 50, messages }).finalText());
    return out;
  }
}
`,
}

// TestModelClientsAreRecorded: what unmodified clients ask of models is in the
// record, whole answers and streams, without the key, and is played again when the
// provider is gone.
func TestModelClientsAreRecorded(t *testing.T) {
	testenv.NeedRoot(t)
	keyed := strings.NewReplacer(`key = "MODEL_KEY"`, `key_file = "KEYFILE"`).Replace(clientsFile)
	p, provider := startWithScript(t, keyed, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "it is about a refund"}}})
	p.uploadWithClients(t, clientUnits)
	const said = `"it is about a refund"`
	r, code := p.run(t, "letters", `{"letter":"my money back"}`)
	if string(r.Output) != "["+said+","+said+","+said+"]" {
		t.Fatalf("exit code %d: %s %+v", code, r.Output, r.Error)
	}
	provider.Close()
	out, code := p.arc(t, "replay", r.ID, "--json")
	var rep struct {
		Identical bool
		Effects   int
	}
	if err := json.Unmarshal(out, &rep); err != nil || !rep.Identical || rep.Effects < 3 {
		t.Errorf("exit code %d: %s", code, out)
	}
	rec := recording(t, p, r.ID)
	calls := 0
	for _, e := range rec.Runs[0].Effects {
		if e.Op == "net.fetch" && !e.Intent {
			calls++
		}
		text := string(e.Value) + e.Text
		for _, quoted := range strings.Split(text, `"`) {
			if plain, err := base64.StdEncoding.DecodeString(quoted); err == nil {
				text += string(plain)
			}
		}
		if strings.Contains(text, "sk-of-the-test") {
			t.Errorf("the record has the key: %s", text)
		}
	}
	if calls != 3 {
		t.Errorf("%d calls of models are recorded, want 3", calls)
	}
}

type recorded struct {
	Runs []struct {
		Effects []struct {
			Op, Text string
			Intent   bool
			Value    json.RawMessage
		}
	}
}

// recording is what ariad gives out of a run.
func recording(t *testing.T, p pair, id string) (out recorded) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.server+"/aria.v1.OperationService/Record", strings.NewReader(fmt.Sprintf(`{"run":%q}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.Credential)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Recording []byte }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer.Recording, &out); err != nil || len(out.Runs) == 0 {
		t.Fatalf("%v in %s", err, answer.Recording)
	}
	return out
}
