package api

import (
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// Execute takes the request from the first message, and, where there is a
// journal, what the caller says while the execution goes on.
func (s *service) Execute(stream quiltv1.QuiltService_ExecuteServer) error {
	r, err := stream.Recv()
	if err != nil {
		return err
	}
	emit := func(e engine.Event) error { return stream.Send(response(e)) }
	if r.Attach {
		if j := s.cfg.Engine.Journal(r.Execution); j != nil {
			go listenTo(stream, j)
		}
		return reply(s.cfg.Engine.Attach(stream.Context(), r.Execution, r.After, emit))
	}
	req := request(r)
	if r.Journal != nil {
		if req.Journal, err = journal(r.Journal, stream); err != nil {
			return reply(err)
		}
		go listenTo(stream, req.Journal)
	}
	return reply(s.cfg.Engine.Execute(stream.Context(), req, emit))
}

// journal reads the recorded effects, over as many messages as they take.
func journal(j *quiltv1.Journal, stream quiltv1.QuiltService_ExecuteServer) (*broker.Journal, error) {
	out := &broker.Journal{Key: j.Key, Clock: time.UnixMilli(j.ClockUnixMs), Seed: j.Seed, Sealed: j.Sealed}
	for {
		for _, e := range j.Effects {
			out.Past = append(out.Past, broker.Effect{
				Seq: e.Seq, ID: e.Id, Op: e.Op, Args: e.Args, Text: e.Text, Intent: e.Intent, Value: e.Value,
				Fault: told(e.Error), Clock: time.UnixMilli(e.ClockUnixMs),
			})
		}
		if !j.More {
			return out, nil
		}
		m, err := stream.Recv()
		if err != nil || m.Journal == nil {
			return nil, fault.Wrap(err, fault.Invalid, "the recorded effects break off").WithHint("send them again")
		}
		j = m.Journal
	}
}

// listenTo takes what the caller says until it says no more.
func listenTo(stream quiltv1.QuiltService_ExecuteServer, j *broker.Journal) {
	for {
		m, err := stream.Recv()
		if err != nil {
			return // the stream's context says the rest
		}
		if m.Ack > 0 {
			j.Ack(m.Ack)
		}
		switch a := m.Answer; {
		case a == nil:
		case a.Waiting:
			j.Park(a.Id)
		case a.Error != nil:
			j.Answer(a.Id, nil, told(a.Error))
		default:
			j.Answer(a.Id, a.Value, nil)
		}
	}
}

func told(e *quiltv1.Error) *fault.Error {
	if e == nil {
		return nil
	}
	return &fault.Error{Code: fault.Code(e.Code), Message: e.Message, Hint: e.Hint}
}

func effect(e *broker.Effect) *quiltv1.Effect {
	out := &quiltv1.Effect{Seq: e.Seq, Id: e.ID, Op: utf8(e.Op), Args: e.Args, Text: utf8(e.Text), Intent: e.Intent, Value: e.Value,
		ClockUnixMs: e.Clock.UnixMilli()}
	if e.Fault != nil {
		out.Error = face(e.Fault)
	}
	return out
}
