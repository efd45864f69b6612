package llmgate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// op asks an operation of the harness protocol and gives its answer as JSON.
func (d *desk) op(name, args string) (string, error) {
	d.t.Helper()
	c := d.call
	c.Args = json.RawMessage(args)
	v, err := d.Service().Ops[name](d.t.Context(), c)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text), nil
}

func TestChatIsHeldAgainstTokensAndLimits(t *testing.T) {
	d := newDesk(t, scripted.Script{Forever: true, Key: secret, Turns: []scripted.Turn{
		{Text: "hi", Usage: &scripted.Usage{Input: 40, Output: 2}}}}, "usd_per_run = 0.003"+priced, "llm:openai:m")
	got, err := d.op("llm.chat", `{"model":"openai:m","messages":[{"role":"user","text":"hello"}],"maxTokens":50}`)
	if err != nil || !strings.Contains(got, `"text":"hi"`) || !strings.Contains(got, `"usd":0.000042`) {
		t.Fatalf("%s, %v", got, err)
	}
	if r := d.server.Requests()[0]; r.MaxTokens != 50 || r.Model != "m" {
		t.Errorf("asked for %d tokens of %q", r.MaxTokens, r.Model)
	}
	if spent := d.ledger.spentOf("run/acme/run1/usd/openai"); spent != 42 {
		t.Errorf("%d micro-dollars spent, want 42", spent)
	}
	for _, c := range []struct {
		name, args string
		code       fault.Code
		want       string
	}{
		{"another model", `{"model":"openai:big","messages":[{"role":"user","text":"x"}]}`, fault.Denied, "llm:openai:big"},
		{"too dear", `{"model":"openai:m","messages":[{"role":"user","text":"x"}],"maxTokens":50000}`, fault.Exhausted, "usd_per_run of openai is $0.003"},
		{"nothing to say", `{"model":"openai:m"}`, fault.Invalid, "at least one message"},
		{"no arguments", `7`, fault.Invalid, "not valid"},
		{"no provider", `{"model":"m","messages":[{"role":"user","text":"x"}]}`, fault.Denied, "llm:m"},
	} {
		if _, err := d.op("llm.chat", c.args); fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.want)
		}
	}
	if n := len(d.server.Requests()); n != 1 {
		t.Errorf("%d requests went out", n)
	}
}

func TestChatTriesAgain(t *testing.T) {
	d := newDesk(t, scripted.Script{Turns: []scripted.Turn{{Status: 500}, {Text: "half", Cut: true}, {Text: "whole"}}}, "", "llm:openai:m")
	got, err := d.op("llm.chat", `{"model":"openai:m","messages":[{"role":"user","text":"hello"}]}`)
	if err != nil || !strings.Contains(got, `"text":"whole"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEmbeddings(t *testing.T) {
	d := newDesk(t, scripted.Script{}, "", "llm:openai:m", "llm:local:embed")
	got, err := d.op("llm.embed", `{"model":"openai:m","input":["a b","abc"]}`)
	if err != nil || !strings.Contains(got, `"vectors":[[3,2,1],[3,1,1]]`) {
		t.Errorf("%s, %v", got, err)
	}
	got, err = d.op("llm.embed", `{"model":"local:embed","input":["the cat sat"]}`)
	var own struct {
		Vectors [][]float64 `json:"vectors"`
	}
	if err != nil || json.Unmarshal([]byte(got), &own) != nil || len(own.Vectors) != 1 || len(own.Vectors[0]) < 100 {
		t.Errorf("our own: %.100s, %v", got, err)
	}
	for args, code := range map[string]fault.Code{
		`{"model":"openai:m","input":[]}`:        fault.Invalid,
		`{"model":"openai:big","input":["x"]}`:   fault.Denied,
		`{"model":"local:planner","input":[""]}`: fault.Denied,
	} {
		if _, err := d.op("llm.embed", args); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", args, err, code)
		}
	}
}
