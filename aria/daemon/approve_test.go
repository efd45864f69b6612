package daemon

import (
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// deep is a team in a team over an agent whose tool needs a person.
func deep(t *testing.T, approval *bundle.Approval, hears string) *town {
	w := &town{t: t}
	w.tool("shop.get", func(u *bundle.Unit) { u.Approve, u.Approval = true, approval })
	end := says("heard")
	end.Expect = scripted.Expect{LastRole: "tool", Contains: []string{hears}}
	w.agent("clerk", bundle.AgentSpec{Tools: []string{"shop.get"}}, turns(calls("shop.get", map[string]string{"id": "A"}), end))
	w.team("inner", bundle.TeamSpec{Members: []string{"clerk"}, Mode: "parallel"}, `{}`)
	w.team("outer", bundle.TeamSpec{Members: []string{"inner"}, Mode: "sequence"}, `{}`)
	return w
}

// An approval three runs down waits in every run above, survives restarts, and
// the model learns how it ended; the tool runs once, or not at all.
func TestApprovalBelowAgents(t *testing.T) {
	for _, c := range []struct {
		name, hears string
		approval    *bundle.Approval
		answer      *task.Answer
		executions  int
	}{
		{"agreed", `"ok":true`, nil, &task.Answer{OK: true, By: "ada"}, 1},
		{"refused", `"code":"denied","message":"shop.get was not approved: too dear"`, &bundle.Approval{Role: "role:finance"}, &task.Answer{By: "ada", Reason: "too dear"}, 0},
		{"nobody came", `"code":"timeout","message":"nobody approved shop.get within 700ms"`, &bundle.Approval{TimeoutMS: 700}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := deep(t, c.approval, c.hears)
			dir := t.TempDir()
			w.open(dir, shop())
			run, err := w.start(&ariav1.StartRequest{Unit: "outer", Words: "get A"})
			if err != nil {
				t.Fatal(err)
			}
			w.reaches(run.Id, "waiting")
			w.state(run.Id, task.Waiting)
			for range 2 {
				w.stop()
				w.open(dir, shop())
				w.state(run.Id, task.Waiting)
			}
			if c.answer != nil {
				if _, err := w.inner.Approve(t.Context(), task.ID(run.Id), *c.answer); err != nil {
					t.Fatal(err)
				}
			}
			got := w.ended(run.Id)
			if got.State != task.Done || string(got.Output) != `{"clerk":"heard"}` {
				t.Errorf("%s %s %v", got.State, got.Output, got.Error)
			}
			if n := len(w.peer.requests()); n != c.executions {
				t.Errorf("%d executions", n)
			}
			if err := w.servers["clerk"].Err(); err != nil || len(w.servers["clerk"].Requests()) != 2 {
				t.Errorf("%d requests: %v", len(w.servers["clerk"].Requests()), err)
			}
			over := w.told(got.ID, "handover")
			if len(over) != 1 || !strings.Contains(over[0], `"to":"inner"`) {
				t.Errorf("told after restarts: %s", over)
			}
		})
	}
}

// What a team has spent before a restart still counts after it.
func TestBudgetAfterRestart(t *testing.T) {
	w := &town{t: t}
	w.tool("shop.hang", nil)
	dear := says("done")
	dear.Usage = &scripted.Usage{Input: 500, Output: 500}
	late := calls("shop.hang", map[string]string{})
	late.Usage = &scripted.Usage{Input: 500, Output: 500}
	w.agent("first", bundle.AgentSpec{}, turns(dear))
	w.agent("second", bundle.AgentSpec{Tools: []string{"shop.hang"}}, forever(late))
	w.team("pair", bundle.TeamSpec{Members: []string{"first", "second"}, Mode: "sequence", Budget: bundle.Budget{Tokens: 2400}}, `{"type":"string"}`)
	for i := range w.units {
		w.units[i].Input = []byte(`{"type":"string"}`)
	}
	w.units[0].Input = []byte(`{"type":"object"}`)
	dir := t.TempDir()
	w.open(dir, shop())
	run, err := w.start(&ariav1.StartRequest{Unit: "pair", Words: "go"})
	if err != nil {
		t.Fatal(err)
	}
	w.executed(1)
	w.stop()
	p := shop()
	p.do["shop.hang"] = changing()
	w.open(dir, p)
	got := w.ended(run.Id)
	if got.State != task.Failed || !strings.Contains(got.Error.Message, "limit of tokens (2400) that it shares with team pair") {
		t.Errorf("%s %v", got.State, got.Error)
	}
	if n := len(w.servers["second"].Requests()); n != 1 {
		t.Errorf("the second member asked %d times: first has spent 1000 of 2400 and it 1000", n)
	}
}
