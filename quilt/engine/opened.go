package engine

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// opened is what an execution has open with the services, for the next engine.
func (e *Engine) opened(execution string) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	for _, s := range e.cfg.Services {
		if s.Leave == nil {
			continue
		}
		left := s.Leave(execution)
		if left == nil {
			continue
		}
		text, err := json.Marshal(left)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[string]json.RawMessage{}
		}
		out[s.Scheme] = text
	}
	return out, nil
}

// enter gives the services back what they left. What one cannot take up it says
// to whoever uses it next.
func (e *Engine) enter(open map[string]json.RawMessage) func(context.Context, broker.Call) {
	if len(open) == 0 {
		return nil
	}
	return func(ctx context.Context, c broker.Call) {
		for _, s := range e.cfg.Services {
			left := open[s.Scheme]
			if left == nil || s.Enter == nil {
				continue
			}
			if err := s.Enter(ctx, c, left); err != nil {
				e.log.Error("not taken up after the restart", "execution", c.Execution, "service", s.Scheme, "err", err)
			}
		}
	}
}
