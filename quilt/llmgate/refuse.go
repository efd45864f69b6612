package llmgate

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// limited is a refusal that a client may or may not try again after.
type limited struct {
	fault *fault.Error
	after time.Duration // 0: trying again does not help
}

func (l *limited) Error() string { return l.fault.Error() }
func (l *limited) Unwrap() error { return l.fault }

// statuses by code; what is not here is 500.
var statuses = map[fault.Code]int{
	fault.Invalid: 400, fault.Unauthenticated: 401, fault.Denied: 403, fault.NotFound: 404, fault.Conflict: 409,
	fault.Exhausted: 429, fault.Cancelled: 499, fault.Unimplemented: 501, fault.Failed: 502, fault.Unavailable: 503,
	fault.Timeout: 504, fault.Internal: 500, fault.Interrupted: 503, fault.Deadlock: 409,
}

// refuse answers in the client's dialect. The official clients read
// x-should-retry and retry-after.
func refuse(w http.ResponseWriter, f *front, e *fault.Error, after time.Duration, retry bool) {
	h := w.Header()
	h.Set("X-Should-Retry", strconv.FormatBool(retry))
	if retry && after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
	h.Set("X-Aria-Code", string(e.Code))
	h.Set("Content-Type", "application/json")
	f.fail(w, e, statuses[e.Code])
}

// sentence is the whole face in one line, as clients show only that.
func sentence(e *fault.Error) string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

var openaiKinds = map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
	404: "not_found_error", 429: "rate_limit_error"}

func kindOf(kinds map[int]string, status int, other string) string {
	if k := kinds[status]; k != "" {
		return k
	}
	return other
}

func failOpenAI(w http.ResponseWriter, e *fault.Error, status int) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": sentence(e),
		"type": kindOf(openaiKinds, status, "server_error"), "param": nil, "code": string(e.Code)}})
}

func failAnthropic(w http.ResponseWriter, e *fault.Error, status int) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "error",
		"error": map[string]any{"type": kindOf(openaiKinds, status, "api_error"), "message": sentence(e)}})
}

var geminiKinds = map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
	409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}

func failGemini(w http.ResponseWriter, e *fault.Error, status int) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": sentence(e),
		"status": kindOf(geminiKinds, status, "INTERNAL")}})
}
