package llmgate

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// hears is what the caller of an execution was told that models were charged with.
type hears struct {
	mu  sync.Mutex
	all []broker.Spent
}

func (h *hears) add(s broker.Spent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, s)
}

func (h *hears) told() []broker.Spent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// What a client in the unit's code asked a model for is told once, as the provider
// reports it or, where nobody can say, as the most that it can have been.
func TestSpentIsTold(t *testing.T) {
	const chat, messages, gemini = "/openai/v1/chat/completions", "/anthropic/v1/messages", "/gemini/v1beta/models/m:streamGenerateContent?alt=sse"
	turn := scripted.Turn{Text: "hi there", Usage: &scripted.Usage{Input: 7, Output: 3, Cached: 2}}
	with := func(f func(*scripted.Turn)) scripted.Turn { t := turn; f(&t); return t }
	reported := func(model string, usd float64) []broker.Spent {
		return []broker.Spent{{Model: model, InputTokens: 7, OutputTokens: 3, USD: usd, Call: 5}}
	}
	short := `{"model":"m","max_tokens":50,` + hello + `}`
	stream := `{"model":"m","max_tokens":50,"stream":true,` + hello + `}`
	in := int64(len(stream)) + overhead
	most := []broker.Spent{{Model: "openai:m", InputTokens: in, OutputTokens: 50, USD: float64(in+2*50) / 1e6, Estimated: true, Call: 5}}
	for _, c := range []struct {
		shows, path, body string
		turn              scripted.Turn
		want              []broker.Spent
	}{
		{"a whole answer, with its price", chat, short, turn, reported("openai:m", 5e-6+1e-6+6e-6)},
		{"a stream, which says so at its end", chat, stream, turn, reported("openai:m", 5e-6+1e-6+6e-6)},
		{"a price that is not known", messages, short, turn, reported("anthropic:m", 0)},
		{"a stream that says it in two places", messages, stream, turn, reported("anthropic:m", 0)},
		{"a stream that says it all the time", gemini, `{"contents":[{"parts":[{"text":"hello"}]}]}`, turn, reported("gemini:m", 0)},
		{"a stream that breaks off", chat, stream, with(func(t *scripted.Turn) { t.Cut = true }), most},
		{"a stream that does not say", chat, stream, with(func(t *scripted.Turn) { t.NoUsage = true }), most},
		{"an error of the provider's", chat, short, with(func(t *scripted.Turn) { t.Status = 400 }), nil},
		{"a refusal of the gate's", chat, `{"model":"other",` + hello + `}`, turn, nil},
	} {
		d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{c.turn}},
			"[providers.openai.models.m]\nprice = { input = 1.0, output = 2.0, cached_input = 0.5 }", "llm:openai:m", "llm:anthropic:m", "llm:gemini:m")
		var h hears
		d.call.Grant.Spent, d.call.ID = h.add, 5
		d.post(c.path, c.body)
		d.front.Close() // when the answer is out its handler may still be at work
		if diff := cmp.Diff(c.want, h.told()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.shows, diff)
		}
	}
}

// What the llm handle is answered says itself what was used.
func TestSpentOfTheHandleIsNotTold(t *testing.T) {
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "", "llm:openai:m")
	var h hears
	d.call.Grant.Spent = h.add
	for op, args := range map[string]string{"llm.chat": `{"model":"openai:m","messages":[{"role":"user","content":"hello"}]}`,
		"llm.embed": `{"model":"openai:m","input":["a b"]}`} {
		c := d.call
		c.Args = json.RawMessage(args)
		if _, err := d.Service().Ops[op](context.Background(), c); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	if told := h.told(); len(told) > 0 {
		t.Errorf("%+v", told)
	}
}
