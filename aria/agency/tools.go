package agency

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// toolbox is what one agent may call.
type toolbox struct {
	agent   string
	list    []agent.Tool
	own     map[string]own  // served here
	members map[string]bool // units that are members of the team this agent leads
	// What the agent names one by one, and by patterns: "acme/*@^1#*".
	units    []registry.Unit
	patterns []string

	mu   sync.Mutex
	refs map[string]string // of units that may be called: each name is pinned to a digest for the run
}

// ref is the unit behind a name.
func (b *toolbox) ref(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refs[name]
}

// own is a tool that needs no container.
type own struct {
	agent.Tool
	do func(ctx context.Context, input json.RawMessage, callID string) (json.RawMessage, error)
}

// tools finds what an agent names.
func (a *Agents) tools(u registry.Unit) (*toolbox, error) {
	b := &toolbox{agent: u.Name, refs: map[string]string{}, own: map[string]own{}, members: map[string]bool{}}
	for _, ref := range u.Agent.Tools {
		if strings.Contains(ref, "#") && strings.Contains(ref, "*") {
			b.patterns = append(b.patterns, ref)
			continue
		}
		t, err := a.Registry.ResolveFrom(u.Digest, ref)
		if err != nil {
			return nil, err
		}
		if err := b.add(t); err != nil {
			return nil, err
		}
		if u.Team != nil && ref != u.Team.Lead {
			b.members[t.Name] = t.Agent != nil || t.Team != nil
		}
	}
	return b, nil
}

func (b *toolbox) add(t registry.Unit) error {
	if other, ok := b.refs[t.Name]; ok && other == t.Ref() {
		return nil
	} else if ok {
		return fault.New(fault.Invalid, "agent %s names two different tools %q", b.agent, t.Name).
			WithHint("give one of them another name")
	}
	schema, err := t.Schema(t.Input)
	if err != nil {
		return err
	}
	b.refs[t.Name] = t.Ref()
	b.units = append(b.units, t)
	b.list = append(b.list, agent.Tool{Unit: t.Name, Description: t.Description, Schema: schema})
	return nil
}

// offer adds tools that are served here.
func (b *toolbox) offer(list ...own) error {
	for _, o := range list {
		if _, taken := b.refs[o.Unit]; taken {
			return fault.New(fault.Invalid, "agent %s names a unit %q, which is the name of a tool of ariad's own", b.agent, o.Unit).
				WithHint("give the unit another name")
		}
		b.own[o.Unit] = o
		b.list = append(b.list, o.Tool)
	}
	return nil
}
