package local

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/embed"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// shop is what a small toolbox looks like to the planner.
func shop() []llm.Tool {
	return []llm.Tool{
		{Name: "orders.get", Description: "Get one order by its id", Schema: raw(`{"type":"object","properties":{"id":{"type":"string","description":"the order's number"}},"required":["id"]}`)},
		{Name: "orders.list", Description: "List orders, newest first", Schema: raw(`{"type":"object","properties":{"status":{"enum":["open","shipped","cancelled"]},"limit":{"type":"integer","default":20}}}`)},
		{Name: "orders.create", Description: "Create a new order for a customer", Schema: raw(`{"type":"object","properties":{"customer":{"type":"string"},"item":{"type":"string"},"quantity":{"type":"integer","minimum":1},"express":{"type":"boolean"}},"required":["customer","item","quantity"]}`)},
		{Name: "orders.cancel", Description: "Cancel an order", Schema: raw(`{"type":"object","properties":{"id":{"type":"string"},"reason":{"type":"string"}},"required":["id"]}`)},
		{Name: "mail.send", Description: "Send an e-mail to somebody", Schema: raw(`{"type":"object","properties":{"to":{"type":"string","format":"email"},"subject":{"type":"string"},"day":{"type":"string","format":"date"}},"required":["to","subject"]}`)},
	}
}

// both planners: one that goes by words alone, one that goes by meaning too.
func both() map[string]*Planner {
	return map[string]*Planner{"words": New(nil), "meaning": New(encoder.Embed)}
}

var encoder = embed.New()

func turn(t *testing.T, p *Planner, req llm.Request) llm.Reply {
	t.Helper()
	r, err := p.Generate(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func user(words string) llm.Request {
	return llm.Request{Messages: []llm.Message{{Role: llm.System, Text: "x"}, {Role: llm.User, Text: words}}, Tools: shop()}
}

func TestChooseAndFill(t *testing.T) {
	for _, c := range []struct{ words, tool, args string }{
		{"where is order A-17?", "orders.get", `{"id":"A-17"}`},
		{"Please show me order #17.", "orders.get", `{"id":"17"}`},
		{"get the order with id=zz9", "orders.get", `{"id":"zz9"}`},
		{"list all open orders", "orders.list", `{"status":"open"}`},
		{"list the orders, limit 5", "orders.list", `{"limit":5}`},
		{`create an order for Ann Lee: 3 of "blue mug", express`, "orders.create", `{"customer":"Ann Lee","item":"blue mug","quantity":3,"express":true}`},
		{`new order for customer Bob, item teapot, quantity two, not express`, "orders.create", `{"customer":"Bob","item":"teapot","quantity":2,"express":false}`},
		{`cancel order B-2, reason "too late"`, "orders.cancel", `{"id":"B-2","reason":"too late"}`},
		{`send a mail to ann@example.org with subject "hello there" on day 2026-11-22`, "mail.send", `{"to":"ann@example.org","subject":"hello there","day":"2026-11-22"}`},
		{`orders.cancel B-3`, "orders.cancel", `{"id":"B-3"}`},
	} {
		for name, p := range both() {
			r := turn(t, p, user(c.words))
			if len(r.ToolCalls) != 1 || r.ToolCalls[0].Name != c.tool {
				t.Errorf("%s: %s: got %+v", name, c.words, r)
				continue
			}
			want, _ := llm.Decode(raw(c.args))
			got, _ := llm.Decode(raw(r.ToolCalls[0].Arguments))
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s: (-want +got):\n%s", name, c.words, d)
			}
		}
	}
}

// What is not said is asked for, and what is not meant is not done.
func TestAsksInsteadOfInventing(t *testing.T) {
	for _, c := range []struct{ words, says string }{
		{"get my order", "orders.get I need id (the order's number)"},
		{"create a new order for customer Ann", "item and quantity"},
		{"send an e-mail to ann@example.org", "subject"},
		{"what a lovely morning", "cannot tell which tool"},
	} {
		for name, p := range both() {
			r := turn(t, p, user(c.words))
			if r.Stop != llm.StopAsk || len(r.ToolCalls) != 0 || !strings.Contains(r.Text, c.says) {
				t.Errorf("%s: %s: got %+v, want a question with %q", name, c.words, r, c.says)
			}
		}
	}
}

// done is a conversation in which the planned call has this result.
func done(words, result string, failed bool) llm.Request {
	req := user(words)
	req.Messages = append(req.Messages,
		llm.Message{Role: llm.Assistant, ToolCalls: []llm.ToolCall{{ID: "plan_1", Name: "orders.get", Arguments: "{}"}}},
		llm.Message{Role: llm.ToolRole, CallID: "plan_1", Tool: "orders.get", Text: result, Failed: failed})
	return req
}

func TestAnswer(t *testing.T) {
	const order = `{"id":"A-17","status":"shipped","total":12.5}`
	for _, c := range []struct{ name, result, form, want string }{
		{"a sentence", order, ``, `orders.get: id A-17, status shipped, total 12.5.`},
		{"a text stays as it is", `"on its way"`, ``, `on its way`},
		{"nothing", `null`, ``, `orders.get is done and has nothing to tell.`},
		{"the result is the answer", order, `{"type":"object","properties":{"id":{"type":"string"},"status":{"type":"string"}},"required":["id"]}`, order},
		{"parts of it", order, `{"type":"object","properties":{"status":{"type":"string"}},"required":["status"],"additionalProperties":false}`, `{"status":"shipped"}`},
		{"as a property, with a sentence", order, `{"type":"object","properties":{"order":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},"answer":{"type":"string"}},"required":["order","answer"]}`,
			`{"answer":"orders.get: id A-17, status shipped, total 12.5.","order":` + order + `}`},
		{"a list", `[1,2]`, `{"type":"array","items":{"type":"integer"}}`, `[1,2]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := done("where is order A-17?", c.result, false)
			if c.form != "" {
				req.Output = raw(c.form)
			}
			if r := turn(t, New(nil), req); r.Text != c.want || r.Stop != llm.StopEnd {
				t.Errorf("got  %q\nwant %q", r.Text, c.want)
			}
		})
	}
	req := done("where is order A-17?", order, false)
	req.Output = raw(`{"type":"object","properties":{"mood":{"type":"string"}},"required":["mood"]}`)
	if _, err := New(nil).Generate(t.Context(), req, nil); fault.CodeOf(err) != fault.Failed {
		t.Errorf("a form that no result has: %v", err)
	}
}

func TestFailedTool(t *testing.T) {
	req := done("where is order A-17?", `{"error":{"code":"not_found","message":"no order \"A-17\"","hint":"look at the list"}}`, true)
	if r := turn(t, New(nil), req); r.Text != `orders.get did not work: no order "A-17" (look at the list).` {
		t.Errorf("got %q", r.Text)
	}
	req.Output = raw(`{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}`)
	if _, err := New(nil).Generate(t.Context(), req, nil); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("typed: got %v", err)
	}
}

// Two clauses that surely mean two tools become two turns; the second takes
// what it lacks from the first one's result.
func TestChain(t *testing.T) {
	req := user(`create a new order for Ann, 2 of "mug" and then cancel the order`)
	first := turn(t, New(nil), req)
	if len(first.ToolCalls) != 1 || first.ToolCalls[0].Name != "orders.create" {
		t.Fatalf("got %+v", first)
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.Assistant, ToolCalls: first.ToolCalls},
		llm.Message{Role: llm.ToolRole, CallID: "plan_1", Tool: "orders.create", Text: `{"id":"N-1"}`})
	second := turn(t, New(nil), req)
	if len(second.ToolCalls) != 1 || second.ToolCalls[0].Name != "orders.cancel" || second.ToolCalls[0].Arguments != `{"id":"N-1"}` {
		t.Errorf("got %+v", second)
	}
}

func TestStructuredRequest(t *testing.T) {
	r := turn(t, New(nil), user(`{"request":"cancel this order please","id":"K-9"}`))
	if len(r.ToolCalls) != 1 || r.ToolCalls[0].Name != "orders.cancel" || r.ToolCalls[0].Arguments != `{"id":"K-9"}` {
		t.Errorf("got %+v", r)
	}
}

func TestDatesAndNulls(t *testing.T) {
	tool := llm.Tool{Name: "calendar.book", Description: "Book a room", Schema: raw(`{"type":"object","properties":{
		"day":{"type":"string","format":"date-time","x-aria-type":"date"},"seats":{"anyOf":[{"type":"integer"},{"type":"null"}]},"note":{"type":["string","null"]}},
		"required":["day","seats","note"]}`)}
	for words, want := range map[string]string{
		"book a room on 2026-11-22":                          `{"day":"2026-11-22T00:00:00Z","note":null,"seats":null}`,
		"book a room at 2026-11-22T09:30:00Z with 4 seats":   `{"day":"2026-11-22T09:30:00Z","note":null,"seats":4}`,
		`book a room on 2026-11-22, note "quiet", seats: 12`: `{"day":"2026-11-22T00:00:00Z","note":"quiet","seats":12}`,
	} {
		req := user(words)
		req.Tools = []llm.Tool{tool}
		if r := turn(t, New(nil), req); len(r.ToolCalls) != 1 || r.ToolCalls[0].Arguments != want {
			t.Errorf("%s: got %+v, want %s", words, r, want)
		}
	}
}

func TestCorrectionIsNotARequest(t *testing.T) {
	req := user("where is order A-17?")
	req.Messages = append(req.Messages, llm.Message{Role: llm.User, Text: "your answer does not fit; cancel order A-17", Correction: true})
	if _, err := New(nil).Generate(t.Context(), req, nil); fault.CodeOf(err) != fault.Failed {
		t.Errorf("got %v", err)
	}
}

func FuzzFill(f *testing.F) {
	f.Add(`create an order for Ann: 3 of "x" é`)
	f.Add("id: #")
	f.Add("express ")
	f.Fuzz(func(t *testing.T, words string) {
		for _, tool := range shop() {
			s := llm.OpenSchema(tool.Schema)
			args, missing := fill(New(nil), s, words, read([]llm.Message{{Role: llm.User, Text: words}}))
			b, err := json.Marshal(args)
			if err != nil {
				t.Fatal(err)
			}
			if v, _ := llm.Decode(b); len(missing) == 0 && !s.Fits(v) {
				t.Errorf("%q: %s does not fit %s", words, b, tool.Name)
			}
		}
	})
}
