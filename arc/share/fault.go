package share

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// toFault turns what a registry or the way to it came up with into the error a
// person reads. what is the sentence for everything that has none of its own.
func toFault(err error, p Place, what string) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	var refused *errcode.ErrorResponse
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.Cancelled, "interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "%s did not answer in time", p.host())
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData),
		errors.Is(err, content.ErrInvalidDescriptorSize), errors.Is(err, errdef.ErrInvalidDigest):
		return tampered(p)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return unauthenticated(p)
	case errors.As(err, &refused):
		return fromResponse(refused, p, what)
	case errors.Is(err, errdef.ErrNotFound):
		return fault.Wrap(err, fault.NotFound, "%s", what).WithHint("check the name, the version and the place")
	case errors.Is(err, errdef.ErrSizeExceedsLimit), errors.Is(err, errdef.ErrTooManyPages), errors.Is(err, errdef.ErrUnsupported):
		return fault.Wrap(err, fault.Invalid, "%s: %s", what, err)
	}
	return unreachable(err, p)
}

func unreachable(err error, p Place) *fault.Error {
	return fault.Wrap(err, fault.Unavailable, "no registry answers at %s", p.host()).
		WithHint("check the address; an ariad serves its bundles on its own port")
}

// tampered: what arrived is not what its address says.
func tampered(p Place) *fault.Error {
	return fault.New(fault.Denied, "%s sent something else than its digest says: it was changed on the way or in the registry", p).
		WithHint("nothing was kept; try again, and if it stays so, do not use that registry")
}

func unauthenticated(p Place) *fault.Error {
	return fault.New(fault.Unauthenticated, "%s wants a credential and has not accepted one", p.host()).
		WithHint(`log in with "docker login %s"; for an ariad name it with --server and --credential-file`, p.host())
}

// fromResponse reads OCI's form of an error; an ariad puts its hint in detail.
func fromResponse(r *errcode.ErrorResponse, p Place, what string) error {
	message, hint := "", ""
	code := fault.Invalid
	if len(r.Errors) > 0 {
		message = r.Errors[0].Message
		if d, ok := r.Errors[0].Detail.(map[string]any); ok {
			hint, _ = d["hint"].(string)
			if known, _ := d["fault"].(string); known != "" {
				code = fault.Code(known)
				return fault.Wrap(r, code, "%s refused it: %s", p.host(), message).WithHint("%s", hint)
			}
		}
	}
	if message == "" {
		message = fmt.Sprintf("status %d", r.StatusCode)
	}
	switch r.StatusCode {
	case http.StatusUnauthorized:
		return unauthenticated(p)
	case http.StatusForbidden:
		return fault.Wrap(r, fault.Denied, "%s does not allow it: %s", p.host(), message).
			WithHint("does the credential reach %s?", p)
	case http.StatusNotFound:
		return fault.Wrap(r, fault.NotFound, "%s", what).WithHint("check the name, the version and the place")
	case http.StatusConflict:
		code = fault.Conflict
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = fault.Unavailable
	}
	return fault.Wrap(r, code, "%s refused it: %s", p.host(), message)
}
