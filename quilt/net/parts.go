package net

import (
	"context"
	"encoding/base64"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// maxParts bounds the parts of bodies that one execution keeps here, in bytes.
const maxParts = 2 * MaxRequest

type partArgs struct {
	Body string `json:"body"` // base64
}

// part takes a part of a body that is too long for one frame. A replay makes it
// again: the part is the session's own.
func (s *service) part(_ context.Context, c broker.Call) (any, error) {
	var a partArgs
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(a.Body)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the part of a body is no base64")
	}
	x := s.session(c.Execution)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.kept+len(b) > maxParts {
		return nil, fault.New(fault.Exhausted, "bodies of more than %d MiB are on their way", maxParts>>20).WithHint("send one after the other")
	}
	x.kept += len(b)
	x.parts[c.ID] = b
	return map[string]int64{"part": c.ID}, nil
}

// body is what a request carries: what came with it, or the parts, which it takes.
func (s *service) body(execution string, a fetchArgs) ([]byte, error) {
	body, err := base64.StdEncoding.DecodeString(a.Body)
	if err != nil || len(body) > maxBody {
		return nil, fault.New(fault.Invalid, "the body of a request has at most %d MiB", maxBody>>20).WithHint("send it in parts")
	}
	if len(a.Parts) == 0 {
		return body, nil
	}
	x := s.session(execution)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range a.Parts {
		b, ok := x.parts[id]
		if !ok {
			return nil, fault.New(fault.Invalid, "the body has no part %d", id)
		}
		body = append(body, b...)
		x.kept -= len(b)
		delete(x.parts, id)
	}
	if len(body) > MaxRequest {
		return nil, fault.New(fault.Invalid, "the body of a request has at most %d MiB", MaxRequest>>20).WithHint("send it in parts")
	}
	return body, nil
}
