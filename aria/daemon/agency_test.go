package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// town is a bundle of agents and teams whose models are scripts over real HTTP:
// the model "NAME:m" follows the script of that name.
type town struct {
	t       *testing.T
	units   []bundle.Unit
	scripts map[string]scripted.Script
	price   *llm.Price
	change  func(*Config)

	*house
	servers map[string]*scripted.Server
}

const askSchema = `{"type":"object","properties":{"request":{"type":"string"}},"required":["request"]}`

// agent adds an agent whose model follows turns.
func (w *town) agent(name string, spec bundle.AgentSpec, s scripted.Script) {
	if w.scripts == nil {
		w.scripts = map[string]scripted.Script{}
	}
	if spec.Model == "" {
		spec.Model, w.scripts[name] = name+":m", s
	}
	w.units = append(w.units, bundle.Unit{Name: name, Kind: bundle.Agent, Agent: &spec, Description: "knows of " + name,
		Input: json.RawMessage(askSchema), Output: json.RawMessage(`{"type":"string"}`)})
}

func (w *town) team(name string, spec bundle.TeamSpec, output string) {
	w.units = append(w.units, bundle.Unit{Name: name, Kind: bundle.Team, Team: &spec,
		Input: json.RawMessage(askSchema), Output: json.RawMessage(output)})
}

// tool adds a tool that the test's peer serves under that name.
func (w *town) tool(name string, change func(*bundle.Unit)) {
	u := bundle.Unit{Name: name, Kind: bundle.Tool, Description: "does " + name, Entry: &bundle.Entry{Code: "code/a.js", Export: "A", Method: "run"},
		Params: []string{"id"}, Input: json.RawMessage(`{"type":"object","properties":{"id":{"type":"string"}}}`), Output: json.RawMessage(`{}`)}
	if change != nil {
		change(&u)
	}
	w.units = append(w.units, u)
}

// open starts everything in dir.
func (w *town) open(dir string, p *peer) {
	w.t.Helper()
	if w.servers == nil {
		w.servers = map[string]*scripted.Server{}
		for name, s := range w.scripts {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				w.t.Fatal(err)
			}
			w.servers[name] = scripted.Serve(ln, s)
			w.t.Cleanup(func() { _ = w.servers[name].Close() })
		}
	}
	w.house = build(w.t, dir, p, func(c *Config) {
		for name, srv := range w.servers {
			provider := llm.Provider{Dialect: "openai", BaseURL: srv.URL()}
			if w.price != nil {
				provider.Prices = map[string]llm.Price{"m": *w.price}
			}
			c.Models[name] = provider
		}
		if w.change != nil {
			w.change(c)
		}
	})
	m := &bundle.Manifest{Aria: "1", Name: "town", Version: "1.0.0", Units: w.units,
		Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"}}
	for i := range m.Units {
		m.Units[i].Place = bundle.Place{File: "src/a.ts", Line: 1, Col: 1}
	}
	data := pack(w.t, m, map[string][]byte{"code/a.js": []byte("export class A {}\n")})
	if _, err := w.bundle.Upload(w.t.Context(), connect.NewRequest(&ariav1.UploadRequest{Bundle: data})); err != nil {
		w.t.Fatal(err)
	}
}

// ask starts a unit and waits for its end.
func (w *town) ask(unit, words string) task.Run {
	w.t.Helper()
	r, err := w.start(&ariav1.StartRequest{Unit: unit, Words: words})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ended(r.Id)
}

// state waits until a run is in a state.
func (w *town) state(id string, want task.State) {
	w.t.Helper()
	var r task.Run
	for range 400 {
		if r, _ = w.inner.Get(w.t.Context(), task.ID(id)); r.State == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("%s is %s after 2 s, not %s", id, r.State, want)
}

// told are the data of a run's events of one kind.
func (w *town) told(id task.ID, kind string) (out []string) {
	w.t.Helper()
	for _, e := range w.events(string(id), 0) {
		if e.Kind == kind {
			out = append(out, string(e.Data))
		}
	}
	return out
}

func says(text string) scripted.Turn { return scripted.Turn{Text: text} }

func calls(name string, args any) scripted.Turn {
	raw, _ := json.Marshal(args)
	return scripted.Turn{Calls: []scripted.Call{{Name: name, Arguments: raw}}}
}

func handsOver(to, reason string) scripted.Turn {
	return calls("hand_over", map[string]string{"to": to, "reason": reason})
}

func turns(t ...scripted.Turn) scripted.Script   { return scripted.Script{Turns: t} }
func forever(t ...scripted.Turn) scripted.Script { return scripted.Script{Turns: t, Forever: true} }

// changing answers something else each time.
func changing() func(context.Context, *stream) *quiltv1.Ended {
	var n atomic.Int64
	return func(_ context.Context, s *stream) *quiltv1.Ended { return s.result(fmt.Sprint(n.Add(1))) }
}

// The conversation goes from one member to the next with its reason, each with
// its own tools; every hand-over is an event.
func TestHandoff(t *testing.T) {
	w := &town{t: t}
	w.tool("shop.get", nil)
	hear := says("you get 25.00 back")
	hear.Expect = scripted.Expect{LastRole: "tool", Contains: []string{"ok"}}
	look := calls("shop.get", map[string]string{"id": "A-17"})
	look.Expect = scripted.Expect{LastRole: "tool", Contains: []string{"handed_over_to"}, Tools: []string{"shop.get", "hand_over"}}
	w.agent("triage", bundle.AgentSpec{}, turns(handsOver("billing", "wants money back for A-17")))
	w.agent("billing", bundle.AgentSpec{Tools: []string{"shop.get"}, Instructions: "Pay back."}, turns(look, hear))
	w.team("desk", bundle.TeamSpec{Members: []string{"triage", "billing"}, Mode: "handoff"}, `{"type":"string"}`)
	w.open(t.TempDir(), shop())
	got := w.ask("desk", "I want a refund")
	if got.State != task.Done || string(got.Output) != `"you get 25.00 back"` {
		t.Fatalf("%s %s %v", got.State, got.Output, got.Error)
	}
	over := w.told(got.ID, "handover")
	if len(over) != 2 || !strings.Contains(over[0], `"to":"triage"`) || !strings.Contains(over[1], `"from":"triage","to":"billing","call":"1","reason":"wants money back for A-17"`) {
		t.Errorf("hand-overs %s", over)
	}
	for name, s := range w.servers {
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := cmp.Diff([]string{"llm:triage:m", "llm:billing:m", "llm:billing:m"}, w.peer.leased); d != "" || w.peer.released != 3 {
		t.Errorf("leases, %d given back (-want +got):\n%s", w.peer.released, d)
	}
	last := w.servers["billing"].Requests()[1]
	if !strings.Contains(string(last.Messages[0].Content), "Pay back.") || last.Messages[1].Content != "I want a refund" {
		t.Errorf("billing read %+v", last.Messages[:2])
	}
}

// Members that only pass the conversation on come to an end, with a reason.
func TestHandoffEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		spec    bundle.TeamSpec
		members []string
		overs   int // at most, the beginning included
		words   string
	}{
		{"to and fro", bundle.TeamSpec{}, []string{"a", "b"}, 5, "same tool call"},
		{"a circle", bundle.TeamSpec{}, []string{"a", "b", "c"}, 9, "same tool call"},
		{"the team's own bound", bundle.TeamSpec{MaxTurns: 1}, []string{"a", "b"}, 2, "same tool call"},
		{"turns of all together", bundle.TeamSpec{Budget: bundle.Budget{Steps: 3}}, []string{"a", "b"}, 4, "limit of steps (3) that it shares with team desk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &town{t: t}
			for i, m := range c.members {
				w.agent(m, bundle.AgentSpec{}, forever(handsOver(c.members[(i+1)%len(c.members)], "not mine")))
			}
			c.spec.Members, c.spec.Mode = c.members, "handoff"
			w.team("desk", c.spec, `{"type":"string"}`)
			w.open(t.TempDir(), shop())
			got := w.ask("desk", "who helps?")
			if got.State != task.Failed || !strings.Contains(got.Error.Message, c.words) {
				t.Errorf("%s %v", got.State, got.Error)
			}
			if n := len(w.told(got.ID, "handover")); n > c.overs || n < 2 {
				t.Errorf("%d hand-overs", n)
			}
		})
	}
}

// What one member writes the next one reads, although both are runs of their own.
func TestScratchpad(t *testing.T) {
	w := &town{t: t}
	write := calls("scratchpad_write", map[string]string{"key": "plan", "text": "ship on Friday"})
	read := calls("scratchpad_read", map[string]string{})
	hear := says("Friday it is")
	hear.Expect = scripted.Expect{LastRole: "tool", Contains: []string{"ship on Friday", `"by":"first"`}}
	w.agent("first", bundle.AgentSpec{}, turns(write, says("noted")))
	w.agent("second", bundle.AgentSpec{}, turns(read, hear))
	w.team("relay", bundle.TeamSpec{Members: []string{"first", "second"}, Mode: "sequence", Scratchpad: true}, `{"type":"string"}`)
	w.units[len(w.units)-1].Input = json.RawMessage(`{"type":"string"}`)
	for i := range w.units {
		w.units[i].Input = json.RawMessage(`{"type":"string"}`)
	}
	w.open(t.TempDir(), shop())
	if got := w.ask("relay", "when?"); got.State != task.Done || string(got.Output) != `"Friday it is"` {
		t.Fatalf("%s %s %v", got.State, got.Output, got.Error)
	}
	if err := w.servers["second"].Err(); err != nil {
		t.Error(err)
	}
}

// Greedy members at the same time never use more than their team has, in tokens
// or in money, however deep they stand.
func TestSharedBudget(t *testing.T) {
	for _, c := range []struct {
		name   string
		budget bundle.Budget
		price  *llm.Price
		word   string
	}{
		{"tokens", bundle.Budget{Tokens: 8000}, nil, "limit of tokens (8000)"},
		{"dollars", bundle.Budget{USD: 0.008}, &llm.Price{Input: 1, Output: 1}, "limit of usd ($0.008)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &town{t: t, price: c.price}
			greedy := scripted.Turn{Calls: []scripted.Call{{Name: "shop.get"}}, Usage: &scripted.Usage{Input: 300, Output: 200}}
			w.tool("shop.get", nil)
			var inner []string
			for i := range 3 {
				name := fmt.Sprintf("greedy%d", i)
				w.agent(name, bundle.AgentSpec{Tools: []string{"shop.get"}, MaxSteps: 100, Budget: bundle.Budget{Tokens: 100_000}}, forever(greedy))
				inner = append(inner, name)
			}
			w.team("inner", bundle.TeamSpec{Members: inner, Mode: "parallel"}, `{}`)
			w.team("outer", bundle.TeamSpec{Members: []string{"inner", "greedy0"}, Mode: "parallel", Budget: c.budget}, `{}`)
			p := shop()
			p.do["shop.get"] = changing()
			w.open(t.TempDir(), p)
			got := w.ask("outer", "all of it")
			if got.State != task.Failed || got.Error.Code != fault.Exhausted || !strings.Contains(got.Error.Message, c.word) {
				t.Errorf("%s %v", got.State, got.Error)
			}
			requests := 0
			for _, s := range w.servers {
				requests += len(s.Requests())
			}
			if requests*500 > 8000 || requests < 3 {
				t.Errorf("%d calls of 500 tokens were made", requests)
			}
		})
	}
}

// An agent that is granted all there is under a pattern is offered what its request
// needs and a search; what it finds it can call, and nothing else.
func TestToolSearch(t *testing.T) {
	w := &town{t: t}
	for _, name := range []string{"orders.refund", "orders.ship", "weather.forecast", "mail.send", "vault.open"} {
		w.tool(name, nil)
	}
	p := shop()
	for _, u := range w.units {
		p.do[u.Name] = p.do["shop.get"]
	}
	first := calls("search_tools", map[string]string{"query": "will it rain tomorrow"})
	first.Expect = scripted.Expect{Tools: []string{"search_tools", "orders.refund"}}
	second := calls("weather.forecast", map[string]string{})
	second.Expect = scripted.Expect{LastRole: "tool", Contains: []string{"weather.forecast"}, Tools: []string{"weather.forecast"}}
	third := calls("vault.open", map[string]string{})
	third.Expect = scripted.Expect{LastRole: "tool", Contains: []string{`"ok":true`}}
	last := says("sunny")
	last.Expect = scripted.Expect{LastRole: "tool", Contains: []string{`there is no tool`, "vault.open"}}
	w.agent("clerk", bundle.AgentSpec{Tools: []string{"town@*#orders.*", "town@^1#weather.*", "*@*#mail.*", "other@*#*", "town@^2#vault.*"}}, turns(first, second, third, last))
	w.open(t.TempDir(), p)
	got := w.ask("clerk", "refund the order")
	if got.State != task.Done {
		t.Errorf("%s %v", got.State, got.Error)
	}
	if err := w.servers["clerk"].Err(); err != nil {
		t.Error(err)
	}
	found := w.told(got.ID, "tools.found")
	if len(found) != 2 || !strings.Contains(found[0], `"call":"0"`) || !strings.Contains(found[1], `"call":"1.1"`) || !strings.Contains(found[1], `"among":4`) {
		t.Errorf("found %s", found)
	}
}

// A session goes on over runs and restarts, and knows only its own turns.
func TestSession(t *testing.T) {
	w := &town{t: t}
	second := says("you are Ada")
	second.Expect = scripted.Expect{LastRole: "user", Contains: []string{"who am I?"}}
	third := says("no idea")
	w.agent("friend", bundle.AgentSpec{}, turns(says("hello Ada"), second, third))
	dir := t.TempDir()
	w.open(dir, shop())
	say := func(session, words string) string {
		r, err := w.start(&ariav1.StartRequest{Unit: "friend", Words: words, Session: session})
		if err != nil {
			t.Fatal(err)
		}
		got := w.ended(r.Id)
		return string(got.Output)
	}
	say("s1", "I am Ada")
	w.stop()
	w.open(dir, shop())
	if got := say("s1", "who am I?"); got != `"you are Ada"` {
		t.Errorf("second turn: %s", got)
	}
	say("s2", "who am I?")
	var heard []string
	for _, r := range w.servers["friend"].Requests() {
		var line string
		for _, m := range r.Messages {
			line += m.Role + ":" + string(m.Content) + " "
		}
		heard = append(heard, line)
	}
	want := []string{"user:I am Ada ", "user:I am Ada assistant:hello Ada user:who am I? ", "user:who am I? "}
	if d := cmp.Diff(want, heard); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := w.start(&ariav1.StartRequest{Unit: "friend", Words: "x", Session: strings.Repeat("s", 201)}); err == nil {
		t.Error("a session with a name of 201 bytes")
	}
}

// What is remembered of one user is recalled in another session of the same user,
// by meaning, and not by another user.
func TestMemory(t *testing.T) {
	w := &town{t: t}
	fact := func(k, v string) scripted.Turn { return calls("remember", map[string]string{"key": k, "text": v}) }
	hears := says("Lisbon, of course")
	hears.Expect = scripted.Expect{LastRole: "tool", Contains: []string{`[{"key":"home","text":"lives in Lisbon"}`}}
	nothing := says("nothing")
	nothing.Expect = scripted.Expect{LastRole: "tool", Contains: []string{`[]`}}
	ask := calls("recall", map[string]string{"query": "which city is her home?"})
	w.agent("friend", bundle.AgentSpec{Memory: true}, turns(fact("food", "likes soup with beans"), fact("home", "lives in Lisbon"), says("noted"), ask, hears, ask, nothing))
	w.open(t.TempDir(), shop())
	for _, user := range []string{"ada", "ada", "bob"} {
		r, err := w.start(&ariav1.StartRequest{Unit: "friend", Words: "hello", User: user})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.ended(r.Id); got.State != task.Done {
			t.Errorf("%s %v", got.State, got.Error)
		}
	}
	if err := w.servers["friend"].Err(); err != nil {
		t.Error(err)
	}
}

// A slow answer is told in pieces that add up to it.
func TestStreams(t *testing.T) {
	w := &town{t: t}
	text := strings.Repeat("word by word ", 12)
	w.agent("slow", bundle.AgentSpec{}, turns(scripted.Turn{Text: text, PaceMS: 25}))
	w.open(t.TempDir(), shop())
	got := w.ask("slow", "tell me")
	told := w.told(got.ID, "model.text")
	var sum string
	for _, raw := range told {
		var e struct{ Text string }
		if err := json.Unmarshal([]byte(raw), &e); err != nil {
			t.Fatal(err)
		}
		sum += e.Text
	}
	if got.State != task.Done || len(told) < 2 || !strings.HasPrefix(text, sum) || len(sum) < len(text)/2 {
		t.Errorf("%s: %d pieces, %q", got.State, len(told), sum)
	}
}
