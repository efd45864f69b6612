package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/openai"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// world is an agent with two tools whose model is a script over real HTTP.
type world struct {
	in     agent.Input
	deps   agent.Deps
	server *scripted.Server

	mu     sync.Mutex // guards what follows
	events []string
	calls  []string
}

const getSchema = `{"type":"object","properties":{"id":{"type":"string"},"depth":{"type":"integer","default":1},"note":{"type":"string"}},"required":["id"],"additionalProperties":false}`

func newWorld(t *testing.T, s scripted.Script) *world {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{server: scripted.Serve(ln, s)}
	t.Cleanup(func() { _ = w.server.Close() })
	model, err := openai.New(openai.Config{BaseURL: w.server.URL(), Model: "m", Backoff: time.Millisecond, Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	w.in = agent.Input{Agent: "support", Instructions: "Help.", Input: json.RawMessage(`{"request":"where is A-17?"}`),
		InputSchema: json.RawMessage(`{"type":"object","properties":{"request":{"type":"string"}},"required":["request"]}`)}
	w.deps = agent.Deps{Model: model, Invoke: w.invoke, Emit: w.emit, Tools: []agent.Tool{
		{Unit: "orders.get", Description: "Get an order", Schema: json.RawMessage(getSchema)},
		{Unit: "orders.list", Schema: json.RawMessage(`{"type":"object","properties":{}}`)},
	}}
	return w
}

func (w *world) emit(kind string, data any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, kind)
	return nil
}

// invoke is orders.get: it knows A-17, fails for others.
func (w *world) invoke(ctx context.Context, unit string, input json.RawMessage, id string) (json.RawMessage, error) {
	w.mu.Lock()
	w.calls = append(w.calls, fmt.Sprintf("%s %s %s", id, unit, input))
	w.mu.Unlock()
	var in struct{ ID string }
	_ = json.Unmarshal(input, &in)
	switch in.ID {
	case "A-17", "":
		return json.RawMessage(`{"id":"A-17","status":"shipped"}`), nil
	case "huge":
		return json.RawMessage(`"` + strings.Repeat("é", 40_000) + `"`), nil
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "plain":
		return nil, errors.New("dial unix /secret/path: no such file")
	}
	return nil, fault.New(fault.NotFound, "no order %q", in.ID).WithHint("ask for its number")
}

func call(args string) scripted.Turn {
	return scripted.Turn{Calls: []scripted.Call{{Name: "orders.get", Arguments: json.RawMessage(args)}}}
}

// after expects a tool result that contains the words, then answers.
func after(text string, words ...string) scripted.Turn {
	return scripted.Turn{Expect: scripted.Expect{LastRole: "tool", Contains: words}, Text: text}
}

func script(turns ...scripted.Turn) scripted.Script { return scripted.Script{Turns: turns} }

func TestHappyPath(t *testing.T) {
	first := call(`{"id":"A-17","depth":null,"note":null}`)
	first.Expect = scripted.Expect{LastRole: "user", Contains: []string{"where is A-17?"}, Tools: []string{"orders.get", "orders.list"}}
	w := newWorld(t, script(first, after("It is shipped.", `"shipped"`)))
	got, err := agent.Run(t.Context(), w.in, w.deps)
	if err != nil {
		t.Fatal(err)
	}
	want := agent.Result{Output: json.RawMessage(`"It is shipped."`), Text: "It is shipped.", Steps: 2, Calls: 1,
		Usage: llm.Usage{InputTokens: 20, OutputTokens: 10}}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(agent.Result{}, "Messages")); d != "" || len(got.Messages) != 4 || got.Messages[3].Text != got.Text {
		t.Errorf("messages %+v (-want +got):\n%s", got.Messages, d)
	}
	if d := cmp.Diff([]string{`1.1 orders.get {"depth":1,"id":"A-17"}`}, w.calls); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	events := []string{"agent.turn", "model.reply", "tool.call", "tool.result", "agent.turn", "model.reply"}
	if d := cmp.Diff(events, w.events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if err := w.server.Err(); err != nil {
		t.Error(err)
	}
}

// What the model does wrong comes back to it as a result with a reason, and
// the run goes on.
func TestModelIsTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		turn    scripted.Turn
		told    []string // in the tool's result
		invoked int
	}{
		{"an unknown tool, with candidates", scripted.Turn{Calls: []scripted.Call{{Name: "order_gett"}}}, []string{"not_found", `no tool \"order_gett\"`, "orders.get"}, 0},
		{"arguments that do not fit", call(`{"id":["x"]}`), []string{"invalid", "/id", "want string"}, 0},
		{"arguments that are missing", call(`{}`), []string{"invalid", "id"}, 0},
		{"arguments that are no JSON", call(`"{\"id\": \"A-1"`), []string{"invalid", "not one JSON object"}, 0},
		{"text for a number is repaired", call(`{"id":"A-17","depth":"5"}`), []string{"shipped"}, 1},
		{"a number for text is repaired", call(`{"ID":17}`), []string{"not_found", `no order \"17\"`, "ask for its number"}, 1},
		{"an error of the tool", call(`{"id":"B-1"}`), []string{"not_found", `no order \"B-1\"`, "ask for its number"}, 1},
		{"an inner error shows nothing", call(`{"id":"plain"}`), []string{`"code":"internal"`, `"message":"internal error"`}, 1},
		{"a huge result is cut", call(`{"id":"huge"}`), []string{"[cut: 32768 of 80002 bytes shown"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, script(c.turn, after("ok", c.told...)))
			_, err := agent.Run(t.Context(), w.in, w.deps)
			if err != nil || w.server.Err() != nil || len(w.calls) != c.invoked {
				t.Errorf("error %v, script %v, invoked %q", err, w.server.Err(), w.calls)
			}
		})
	}
}

func TestParallelCallsKeepTheirOrder(t *testing.T) {
	w := newWorld(t, script(
		scripted.Turn{Calls: []scripted.Call{
			{Name: "orders.get", Arguments: json.RawMessage(`{"id":"slow"}`)}, {Name: "orders.get", Arguments: json.RawMessage(`{"id":"fast"}`)}}},
		after("ok", "slow", "fast")))
	fast := make(chan struct{})
	w.deps.Invoke = func(ctx context.Context, unit string, input json.RawMessage, id string) (json.RawMessage, error) {
		if id == "1.2" {
			close(fast)
			return json.RawMessage(`"fast"`), nil
		}
		select { // ends only if the other one runs at the same time
		case <-fast:
			return json.RawMessage(`"slow"`), nil
		case <-time.After(5 * time.Second):
			return nil, errors.New("not parallel")
		}
	}
	if _, err := agent.Run(t.Context(), w.in, w.deps); err != nil {
		t.Fatal(err)
	}
	msgs := w.server.Requests()[1].Messages
	if n := len(msgs); msgs[n-2].Content != `"slow"` || msgs[n-1].Content != `"fast"` || msgs[n-2].ToolCallID == msgs[n-1].ToolCallID {
		t.Errorf("results %+v", msgs[n-2:])
	}
}

// An adversarial model never stops calling; each limit ends it and says so.
func TestLimits(t *testing.T) {
	n := 0
	forever := func(turn scripted.Turn) scripted.Script {
		return scripted.Script{Forever: true, Turns: []scripted.Turn{turn}}
	}
	list := scripted.Turn{Calls: []scripted.Call{{Name: "orders.list"}}, Usage: &scripted.Usage{Input: 100, Output: 100}}
	for _, c := range []struct {
		name  string
		turn  scripted.Turn
		lim   agent.Limits
		code  fault.Code
		words []string
		steps int
	}{
		{"steps by default", list, agent.Limits{}, fault.Exhausted, []string{"limit of steps (12)", "12 turns, 12 tool calls, 2400 tokens"}, 12},
		{"steps", list, agent.Limits{Steps: 3}, fault.Exhausted, []string{"limit of steps (3)"}, 3},
		{"tokens, never passed", list, agent.Limits{Tokens: 500}, fault.Exhausted, []string{"limit of tokens (500)", "400 tokens"}, 2},
		{"money, never passed", list, agent.Limits{USD: 0.0005}, fault.Exhausted, []string{"limit of usd ($0.0005)", "$0.0003"}, 1},
		{"time", scripted.Turn{DelayMS: 60_000, Text: "late"}, agent.Limits{Time: 50 * time.Millisecond}, fault.Timeout, []string{"limit of time (50ms)"}, 1},
		{"time inside a tool", call(`{"id":"hang"}`), agent.Limits{Time: 80 * time.Millisecond}, fault.Timeout, []string{"limit of time (80ms)"}, 1},
		{"the same call over and over", call(`{"id":"A-17"}`), agent.Limits{}, fault.Failed, []string{"keeps making the same tool call"}, 4},
		{"the same unknown tool over and over", scripted.Turn{Calls: []scripted.Call{{Name: "nope"}}}, agent.Limits{}, fault.Failed, []string{"keeps making"}, 5},
		{"empty answers", scripted.Turn{}, agent.Limits{}, fault.Failed, []string{"twice gave an answer"}, 2},
		{"a refusal", scripted.Turn{Refusal: "I will not"}, agent.Limits{}, fault.Failed, []string{"refuses to answer: I will not"}, 1},
		{"an answer cut at its length", scripted.Turn{Text: "and then", Finish: "length"}, agent.Limits{}, fault.Exhausted, []string{"cut at its bound"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, forever(c.turn))
			w.in.Limits = c.lim
			w.deps.Price = &llm.Price{Input: 1, Output: 2}
			if len(c.turn.Calls) > 0 && c.turn.Calls[0].Name == "orders.list" {
				w.deps.Invoke = func(context.Context, string, json.RawMessage, string) (json.RawMessage, error) {
					n++ // never the same twice, so the detector of repeats has nothing to say
					return json.RawMessage(fmt.Sprint(n)), nil
				}
			}
			got, err := agent.Run(t.Context(), w.in, w.deps)
			if fault.CodeOf(err) != c.code || got.Steps != c.steps {
				t.Errorf("steps %d, want %d; error %v", got.Steps, c.steps, err)
			}
			for _, s := range c.words {
				if err == nil || !strings.Contains(err.Error(), s) {
					t.Errorf("no %q in: %v", s, err)
				}
			}
		})
	}
}

func TestMoneyWithoutPriceIsRefused(t *testing.T) {
	w := newWorld(t, scripted.Script{})
	w.in.Limits.USD = 1
	_, err := agent.Run(t.Context(), w.in, w.deps)
	if fault.CodeOf(err) != fault.Invalid || len(w.server.Requests()) != 0 {
		t.Errorf("got %v after %d requests", err, len(w.server.Requests()))
	}
}

func TestTypedOutput(t *testing.T) {
	const schema = `{"type":"object","properties":{"id":{"type":"string"},"status":{"enum":["open","shipped"]},"n":{"type":"integer","default":0}},"required":["id","status"]}`
	good := scripted.Turn{Text: `{"id":"A-17","status":"shipped","n":null}`}
	repair := good
	repair.Expect = scripted.Expect{LastRole: "user", Contains: []string{"your answer does not fit", "/status"}}
	for _, c := range []struct {
		name  string
		turns []scripted.Turn
		want  string
		code  fault.Code
	}{
		{"fits", []scripted.Turn{good}, `{"id":"A-17","n":0,"status":"shipped"}`, ""},
		{"in a fence, with another case", []scripted.Turn{{Text: "```json\n{\"id\":\"A-17\",\"status\":\"Shipped\"}\n```"}}, `{"id":"A-17","n":0,"status":"shipped"}`, ""},
		{"one second chance", []scripted.Turn{{Text: `{"id":"A-17","status":"lost"}`}, repair}, `{"id":"A-17","n":0,"status":"shipped"}`, ""},
		{"but only one", []scripted.Turn{{Text: `{"id":"A-17","status":"lost"}`}, {Text: "It is lost."}}, "", fault.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, script(c.turns...))
			w.in.OutputSchema = json.RawMessage(schema)
			got, err := agent.Run(t.Context(), w.in, w.deps)
			if string(got.Output) != c.want || fault.CodeOf(err) != c.code {
				t.Errorf("output %s, error %v", got.Output, err)
			}
			if err := w.server.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProviderTrouble(t *testing.T) {
	w := newWorld(t, script(scripted.Turn{Status: 429, RetryAfter: "0.01"}, scripted.Turn{Text: "broken off", Cut: true}, scripted.Turn{Text: "fine"}))
	var live []string
	w.deps.Live = func(e llm.Event) error { live = append(live, e.Kind+" "+e.Text); return nil }
	got, err := agent.Run(t.Context(), w.in, w.deps)
	if err != nil || got.Text != "fine" {
		t.Errorf("text %q, error %v", got.Text, err)
	}
	if last := live[len(live)-2]; !strings.HasPrefix(last, "retry") || live[len(live)-1] != "text fine" {
		t.Errorf("live %q", live)
	}
	w = newWorld(t, script(scripted.Turn{Status: 401}))
	if _, err := agent.Run(t.Context(), w.in, w.deps); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestCancelInTheMiddle(t *testing.T) {
	for _, turn := range []scripted.Turn{{DelayMS: 60_000}, call(`{"id":"hang"}`)} {
		w := newWorld(t, script(turn))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		_, err := agent.Run(ctx, w.in, w.deps)
		if fault.CodeOf(err) != fault.Cancelled || time.Since(began) > 5*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	}
}

func TestEmitEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	for _, kind := range []string{agent.KindTurn, agent.KindReply, agent.KindCall, agent.KindResult} {
		w := newWorld(t, script(call(`{"id":"A-17"}`)))
		w.deps.Emit = func(k string, _ any) error {
			if k == kind {
				return full
			}
			return nil
		}
		if _, err := agent.Run(t.Context(), w.in, w.deps); !errors.Is(err, full) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

func TestWordsToInput(t *testing.T) {
	for _, c := range []struct{ name, schema, want string }{
		{"the only required string", `{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer","default":3},"tag":{"type":"string"}},"required":["q"]}`, `{"n":3,"q":"hi"}`},
		{"the only string", `{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer"}}}`, `{"q":"hi"}`},
		{"a string", `{"type":"string"}`, `"hi"`},
		{"anything", `{}`, `"hi"`},
		{"by reference", `{"$ref":"#/$defs/R","$defs":{"R":{"type":"object","properties":{"q":{"type":"string"}},"required":["q"]}}}`, `{"q":"hi"}`},
		{"two strings", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`, ""},
		{"a number is needed too", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}},"required":["a","b"]}`, ""},
		{"an enum that it is not", `{"type":"object","properties":{"a":{"type":"string","enum":["x"]}},"required":["a"]}`, ""},
		{"a number", `{"type":"number"}`, ""},
	} {
		got, err := agent.WordsToInput(json.RawMessage(c.schema), "hi")
		if string(got) != c.want || (c.want == "") != (fault.CodeOf(err) == fault.Invalid) {
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestSchemaReadsNothingOutside(t *testing.T) {
	w := newWorld(t, scripted.Script{})
	w.in.OutputSchema = json.RawMessage(`{"$ref":"file:///etc/hostname"}`)
	if _, err := agent.Run(t.Context(), w.in, w.deps); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
