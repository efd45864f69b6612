package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// This file is the only place that turns errors into replies.

var codes = map[fault.Code]struct {
	rpc  connect.Code
	http int
}{
	fault.Invalid:         {connect.CodeInvalidArgument, http.StatusBadRequest},
	fault.NotFound:        {connect.CodeNotFound, http.StatusNotFound},
	fault.Unauthenticated: {connect.CodeUnauthenticated, http.StatusUnauthorized},
	fault.Denied:          {connect.CodePermissionDenied, http.StatusForbidden},
	fault.Conflict:        {connect.CodeAborted, http.StatusConflict},
	fault.Deadlock:        {connect.CodeAborted, http.StatusConflict},
	fault.Timeout:         {connect.CodeDeadlineExceeded, http.StatusGatewayTimeout},
	fault.Cancelled:       {connect.CodeCanceled, 499},
	fault.Exhausted:       {connect.CodeResourceExhausted, http.StatusTooManyRequests},
	fault.Unavailable:     {connect.CodeUnavailable, http.StatusServiceUnavailable},
	fault.Diverged:        {connect.CodeAborted, http.StatusBadGateway},
	fault.Uncertain:       {connect.CodeAborted, http.StatusBadGateway},
	fault.Interrupted:     {connect.CodeAborted, http.StatusBadGateway},
	fault.Failed:          {connect.CodeUnknown, http.StatusUnprocessableEntity},
	fault.Unimplemented:   {connect.CodeUnimplemented, http.StatusNotImplemented},
	fault.Internal:        {connect.CodeInternal, http.StatusInternalServerError},
}

// about marks an error with the run it is about.
type about struct {
	run task.ID
	error
}

func (a about) Unwrap() error { return a.error }

// face is what the caller may read of an error; anything unknown is logged.
func (s *server) face(what string, err error) *ariav1.Error {
	var a about
	errors.As(err, &a)
	f, ok := fault.As(err)
	if !ok {
		s.Log.Error("request failed", "err", err, "call", what, "task", a.run)
		f = fault.New(fault.Internal, "internal error").WithHint("see the log of ariad")
	} else if f.Cause != nil {
		s.Log.Warn("request refused", "err", err, "call", what, "task", a.run)
	}
	return wireError(f, a.run)
}

func wireError(f *fault.Error, run task.ID) *ariav1.Error {
	if f == nil {
		return nil
	}
	return &ariav1.Error{Code: string(f.Code), Message: f.Message, Hint: f.Hint, Stack: f.Stack, Run: string(run)}
}

// reply is an error as connect sends it, with ariav1.Error as its detail.
func (s *server) reply(what string, err error) *connect.Error {
	var ce *connect.Error
	if errors.As(err, &ce) {
		return ce // the framework's own: a bad message, a gone client
	}
	if errors.Is(err, context.Canceled) {
		err = fault.New(fault.Cancelled, "the caller left") // no news for the log: watchers leave
	}
	e := s.face(what, err)
	out := connect.NewError(codes[fault.Code(e.Code)].rpc, errors.New(e.Message))
	if d, err := connect.NewErrorDetail(e); err == nil {
		out.AddDetail(d)
	}
	if e.Code == string(fault.Unavailable) {
		out.Meta().Set("Retry-After", retryAfter)
	}
	return out
}

// retryAfter is when, in seconds, to ask again where a part is not up, or stops.
const retryAfter = "5"

// refuse answers a request that no handler has seen, in the caller's protocol.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	oci := strings.HasPrefix(r.URL.Path, ociPrefix)
	if !oci && s.refusal.IsSupported(r) {
		_ = s.refusal.Write(w, r, s.reply(r.URL.Path, err))
		return
	}
	e := s.face(r.URL.Path, err)
	if e.Code == string(fault.Unauthenticated) {
		challenge := `Bearer realm="aria"`
		if oci {
			challenge = `Basic realm="aria"` // a bearer challenge would send clients to a token server
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if e.Code == string(fault.Unavailable) {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(codes[fault.Code(e.Code)].http)
	if oci {
		one := map[string]any{"code": strings.ToUpper(e.Code), "message": e.Message, "detail": map[string]string{"fault": e.Code, "hint": e.Hint}}
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{one}})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"code": e.Code, "message": e.Message, "hint": e.Hint, "run": e.Run})
}

func (s *server) recovered(_ context.Context, spec connect.Spec, _ http.Header, p any) error {
	return fmt.Errorf("%s panicked: %v", spec.Procedure, p)
}

// replies maps the errors of every handler.
type replies struct{ s *server }

func (i replies) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		if err != nil {
			return nil, i.s.reply(req.Spec().Procedure, err)
		}
		return res, nil
	}
}

func (i replies) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if err := next(ctx, conn); err != nil {
			return i.s.reply(conn.Spec().Procedure, err)
		}
		return nil
	}
}

func (replies) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
