package oci

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// refusal is an error with the code that OCI's list has for it.
type refusal struct {
	code string
	error
}

func (r refusal) Unwrap() error { return r.error }

func known(code string, err error) error { return refusal{code, err} }

func notAllowed(method string) error {
	return known("UNSUPPORTED", fault.New(fault.Unimplemented, "%.10s is not served here", method).
		WithHint("nothing can be deleted; take a version back with arc yank"))
}

// status of a fault. Nothing that will fail again the same way is a 5xx or 429:
// clients would try it again.
func status(err error) int {
	switch fault.CodeOf(err) {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Denied, fault.Unauthenticated:
		return http.StatusForbidden
	case fault.Conflict:
		return http.StatusConflict
	case fault.Exhausted:
		return http.StatusInsufficientStorage
	case fault.Internal:
		return http.StatusInternalServerError
	case fault.Unimplemented:
		return http.StatusMethodNotAllowed
	}
	return http.StatusBadRequest
}

// fail answers with OCI's form of an error; the hint is in its detail.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := fault.As(err)
	if !ok {
		h.log.Error("request failed", "err", err, "call", r.Method+" "+r.URL.Path)
		f = fault.New(fault.Internal, "internal error").WithHint("see the log of ariad")
		err = f
	}
	code := "MANIFEST_INVALID"
	var known refusal
	switch {
	case errors.As(err, &known):
		code = known.code
	case f.Code == fault.Denied, f.Code == fault.Conflict:
		code = "DENIED"
	case f.Code == fault.Internal, f.Code == fault.Exhausted:
		code = "UNKNOWN"
	}
	refuse(w, status(err), code, f)
}

// refuse writes one error in OCI's form.
func refuse(w http.ResponseWriter, status int, code string, f *fault.Error) {
	type detail struct {
		Fault fault.Code `json:"fault"`
		Hint  string     `json:"hint,omitempty"`
	}
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  detail `json:"detail"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]one{"errors": {{code, f.Message, detail{f.Code, f.Hint}}}})
}
