package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Bounds of hand-overs (docs/spec/limits.md).
const (
	defaultHandOvers = 8 // of a team, unless it says maxTurns
	sameHandOvers    = 2 // from one member to the same other one
)

const handOverTool = "hand_over"

// handoff is a team whose members have one conversation, one after the other.
type handoff struct {
	a        *Agents
	d        *desk
	members  []registry.Unit
	accounts []*budget.Account
	most     int
	hops     int
	pairs    map[[2]int]int

	at   int // who works
	next int // to whom it hands over in this turn; below 0: to nobody. desk.mu guards it
}

// Handoff runs a team of mode handoff: the first member, or the lead, begins with
// the team's input. A member answers for the team, or hands the conversation to
// another with a reason.
func (a *Agents) Handoff(ctx context.Context, job task.Job) (task.Outcome, error) {
	d, leave, err := a.enter(ctx, job)
	if err != nil {
		return task.Outcome{}, err
	}
	defer leave()
	h := &handoff{a: a, d: d, most: job.Unit.Team.MaxTurns, pairs: map[[2]int]int{}}
	if h.most == 0 {
		h.most = defaultHandOvers
	}
	if err := h.gather(job); err != nil {
		return task.Outcome{}, err
	}
	var total agentUsage
	var before []llm.Message
	call, reason, from := "begin", "", job.Unit.Name
	for {
		m := h.members[h.at]
		if err := d.emit("handover", HandOver{From: from, To: m.Name, Call: call, Reason: reason}); err != nil {
			return task.Outcome{}, err
		}
		res, err := h.stint(ctx, before, total.Steps)
		total = agentUsage{total.Usage.Add(res.Usage), total.Steps + res.Steps, total.Calls + res.Calls}
		if err != nil || res.Left == nil {
			return task.Outcome{Output: res.Output, Usage: total}, err
		}
		var left handOverInput
		if err := json.Unmarshal(res.Left.Input, &left); err != nil {
			return task.Outcome{Usage: total}, fmt.Errorf("hand-over of %s: %w", job.Run, err)
		}
		before, reason, from, call = res.Messages, left.Reason, m.Name, fmt.Sprint(total.Steps)
		h.pass(left.To)
	}
}

// gather finds the members, the one that begins in front of h.at.
func (h *handoff) gather(job task.Job) error {
	spec := job.Unit.Team
	for i, ref := range spec.Members {
		u, err := h.a.Registry.ResolveFrom(job.Unit.Digest, ref)
		if err != nil {
			return err
		}
		if u.Agent == nil {
			return fault.New(fault.Invalid, "%s is a %s, and only agents can hand a conversation over", u.Name, u.Kind).
				WithHint("make it a tool of one of the members of %s", job.Unit.Name)
		}
		if ref == spec.Lead {
			h.at = i
		}
		h.members = append(h.members, u)
		h.accounts = append(h.accounts, budget.Open(title(u), h.d.account, amountOf(u.Unit), budget.Amount{}))
	}
	return nil
}

// stint lets one member go on with the conversation.
func (h *handoff) stint(ctx context.Context, before []llm.Message, steps int) (agent.Result, error) {
	h.next = -1
	s, err := h.a.stint(ctx, h.d, h.members[h.at])
	if err != nil {
		return agent.Result{}, err
	}
	if steps > 0 {
		s.in.Before, s.in.StepsBefore = before, steps
	}
	if len(h.members) > 1 && h.hops < h.most {
		if err := s.tools.offer(h.tool()); err != nil {
			return agent.Result{}, err
		}
	}
	team := h.d.pays(h.accounts[h.at])
	defer h.d.pays(team)
	return s.run(ctx)
}

type handOverInput struct {
	To     string `json:"to"`
	Reason string `json:"reason"`
}

func (h *handoff) tool() own {
	var others []string
	about := "Hand the whole conversation over to another member of the team, who goes on in your place. Members:"
	for i, m := range h.members {
		if i != h.at {
			others = append(others, m.Name)
			about += "\n- " + m.Name + ": " + purpose(m)
		}
	}
	schema, _ := json.Marshal(map[string]any{"type": "object", "additionalProperties": false, "required": []string{"to", "reason"},
		"properties": map[string]any{
			"to":     map[string]any{"type": "string", "enum": others, "description": "who goes on"},
			"reason": map[string]any{"type": "string", "description": "why, and what is left to do"},
		}}) // strings alone: it cannot fail
	return own{agent.Tool{Unit: handOverTool, Description: about, Schema: schema, Ends: true}, h.handOver}
}

func purpose(u registry.Unit) string {
	if u.Description != "" {
		return u.Description
	}
	return u.Agent.Instructions
}

// handOver notes who is next, or says why nobody is.
func (h *handoff) handOver(_ context.Context, input json.RawMessage, _ string) (json.RawMessage, error) {
	var in handOverInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "a hand-over says to whom and why")
	}
	to := slices.IndexFunc(h.members, func(u registry.Unit) bool { return u.Name == in.To })
	pair := [2]int{h.at, to}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case to < 0 || to == h.at:
		return nil, fault.New(fault.NotFound, "there is no other member %q", in.To)
	case h.next >= 0:
		return nil, fault.New(fault.Conflict, "the conversation was handed over to %s in this same turn", h.members[h.next].Name)
	case h.pairs[pair] >= sameHandOvers:
		return nil, fault.New(fault.Exhausted, "%s has handed over to %s %d times; it comes back every time", h.members[h.at].Name, in.To, sameHandOvers).
			WithHint("answer with what is known, or hand over to somebody else")
	}
	h.next = to
	return json.Marshal(map[string]string{"handed_over_to": in.To})
}

// pass makes another member the one that works. It follows from what is on record,
// so that a run that is taken up counts the same.
func (h *handoff) pass(name string) {
	to := slices.IndexFunc(h.members, func(u registry.Unit) bool { return u.Name == name })
	h.hops++
	h.pairs[[2]int{h.at, to}]++
	h.at = to
}
