package remote

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// codes is what a bare connect code means when no Error detail came along:
// the answer of something in between, or of connect itself.
var codes = map[connect.Code]fault.Code{
	connect.CodeInvalidArgument:    fault.Invalid,
	connect.CodeOutOfRange:         fault.Invalid,
	connect.CodeFailedPrecondition: fault.Conflict,
	connect.CodeNotFound:           fault.NotFound,
	connect.CodeUnauthenticated:    fault.Unauthenticated,
	connect.CodePermissionDenied:   fault.Denied,
	connect.CodeAlreadyExists:      fault.Conflict,
	connect.CodeAborted:            fault.Conflict,
	connect.CodeDeadlineExceeded:   fault.Timeout,
	connect.CodeCanceled:           fault.Cancelled,
	connect.CodeResourceExhausted:  fault.Exhausted,
	connect.CodeUnavailable:        fault.Unavailable,
	connect.CodeUnimplemented:      fault.Unimplemented,
}

// toFault turns what a call returned into the error a person reads.
func (c *Client) toFault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return fault.Wrap(err, fault.Cancelled, "interrupted")
	} else if errors.Is(cause, context.DeadlineExceeded) {
		return fault.New(fault.Timeout, "%s did not answer in time", c.server)
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return c.unreachable(err)
	}
	for _, d := range ce.Details() {
		if v, verr := d.Value(); verr == nil {
			if e, ok := v.(*ariav1.Error); ok {
				return fromError(e)
			}
		}
	}
	if !connect.IsWireError(err) {
		if ce.Code() == connect.CodeUnavailable {
			return c.unreachable(err)
		}
		return fault.New(fault.Unavailable, "no Aria Runtime answers at %s (%s)", c.server, ce.Message()).
			WithHint("check --server, or ARIA_SERVER")
	}
	if ce.Code() == connect.CodeUnauthenticated {
		return fault.New(fault.Unauthenticated, "%s refused the credential", c.server).
			WithHint("point --credential-file to the credential of that server")
	}
	code, ok := codes[ce.Code()]
	if !ok {
		code = fault.Internal
	}
	return fault.New(code, "%s", ce.Message())
}

// fromError keeps the codes of the closed list; a server newer than this
// client may know others, which are internal to us.
func fromError(e *ariav1.Error) *fault.Error {
	msg := e.GetMessage()
	if run := e.GetRun(); run != "" && !strings.Contains(msg, run) {
		msg += " (run " + run + ")"
	}
	f := fault.New(fault.Code(e.GetCode()), "%s", msg)
	f.Hint, f.Stack = e.GetHint(), e.GetStack()
	return f
}

func (c *Client) unreachable(err error) *fault.Error {
	return fault.Wrap(err, fault.Unavailable, "nothing answers at %s", c.server).
		WithHint(`start the daemons with "ariad up", or name another server with --server or ARIA_SERVER`)
}

// isCut tells a connection that broke off in the middle from one that never
// was and from an answer: only the first is worth asking again at once.
func isCut(err error) bool {
	if err == nil || connect.IsWireError(err) {
		return false
	}
	for _, word := range []string{"EOF", "connection reset", "broken pipe", "incomplete envelope", "use of closed", "GOAWAY"} {
		if strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}
