package llmgate

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// The official clients of OpenAI, Anthropic and Google, as npm has them, work
// through the gate with nothing but their base URLs set.
func TestUnmodifiedClients(t *testing.T) {
	testenv.NeedModules(t, "../../test/clients")
	say := func(text string) scripted.Turn { return scripted.Turn{Text: text} }
	d := newDesk(t, scripted.Script{Key: secret, Turns: []scripted.Turn{
		say("one"), say("two and more"),
		{Calls: []scripted.Call{{Name: "orders_get", Arguments: json.RawMessage(`{"id":"A-17"}`)}}},
		{Expect: scripted.Expect{LastRole: "tool", Contains: []string{"A-17 has shipped"}}, Text: "it has shipped"},
		say("four"), say("five and more"),
		say("six"), {Text: "seven and more", Usage: &scripted.Usage{Input: 3, Output: 9}},
		say("eight"), say("nine and more"),
	}}, "", "llm:openai:m", "llm:anthropic:m", "llm:gemini:m")
	cmd := exec.CommandContext(t.Context(), testenv.Bun(t), "run", "gate.ts")
	cmd.Dir = "../../test/clients"
	u := d.front.URL
	cmd.Env = []string{"OPENAI_BASE_URL=" + u + "/openai/v1", "OPENAI_API_KEY=none", "ANTHROPIC_BASE_URL=" + u + "/anthropic",
		"ANTHROPIC_API_KEY=none", "GOOGLE_GEMINI_BASE_URL=" + u + "/gemini", "HOME=" + t.TempDir()}
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, want := range map[string][]any{
		"denied":         {403.0, "this unit holds no llm:openai:gpt-4o"},
		"messagesDenied": {403.0, "this unit holds no llm:anthropic:claude-opus"},
		"geminiDenied":   {403.0, "this unit holds no llm:gemini:gemini-pro"},
	} {
		e, _ := got[name].(map[string]any)
		if said, _ := e["error"].(string); e["status"] != want[0] || !strings.Contains(said, want[1].(string)) {
			t.Errorf("%s: %v", name, got[name])
		}
		delete(got, name)
	}
	want := map[string]any{
		"chat": "one", "chatStream": "two and more", "chatTools": "it has shipped", "responses": "four", "responsesStream": "five and more",
		"embeddings": []any{[]any{9.0, 2.0, 1.0}, []any{1.0, 1.0, 1.0}}, "models": []any{"openai:m"},
		"messages": "six", "messagesStream": "seven and more 9", "gemini": "eight", "geminiStream": "nine and more",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := d.server.Err(); err != nil {
		t.Error(err)
	}
}
