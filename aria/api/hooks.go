package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/trigger"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// hookPrefix is where units with an HTTP trigger are called.
const hookPrefix = "/hooks/"

const (
	maxHook  = 1 << 20 // bytes of a body: it is read before anybody knows who calls
	hookWait = 30 * time.Second
	maxWait  = 5 * time.Minute
)

// hook starts the unit that a path belongs to. Whoever bears the credential may
// call every one; one with a secret may also be called with its signature. The
// answer is 202 with the run, or with ?wait its output.
func (s *server) hook(w http.ResponseWriter, r *http.Request) {
	if bearer(r) != "" {
		s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.called(w, r, false) })).ServeHTTP(w, r)
		return
	}
	s.called(w, r, true)
}

func (s *server) called(w http.ResponseWriter, r *http.Request, signed bool) {
	run, id, err := s.call(w, r, signed)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	wait, err := waitOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if wait > 0 && !run.State.Ended() {
		run, err = s.outlast(r.Context(), run, wait)
	}
	if err != nil {
		s.refuse(w, r, named(err, string(run.ID)))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Aria-Run", string(run.ID))
	switch {
	case wait == 0 || !run.State.Ended():
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"run": run.ID, "state": run.State, "id": id})
	case run.Error != nil:
		s.refuse(w, r, named(run.Error, string(run.ID)))
	case len(run.Output) == 0:
		_, _ = w.Write([]byte("null"))
	default:
		_, _ = w.Write(run.Output)
	}
}

// call checks who calls and starts the unit; id is the caller's name for the call.
func (s *server) call(w http.ResponseWriter, r *http.Request, signed bool) (run task.Run, id string, err error) {
	h, err := s.Triggers.Hook(r.Method, r.URL.Path)
	if signed && (err != nil || h.Secret == "") {
		// Who bears nothing learns nothing of what is there.
		return run, "", fault.New(fault.Unauthenticated, "the call bears no credential").
			WithHint(`send "Authorization: Bearer …", or sign it where the unit names a secret`)
	}
	if err != nil {
		return run, "", err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return run, "", fault.New(fault.Invalid, "the body has more than %d MiB", maxHook>>20)
	}
	if err != nil {
		return run, "", fault.Wrap(err, fault.Invalid, "the body broke off")
	}
	id = callID(r)
	signature := ""
	if signed {
		if signature, err = s.verify(r, h.Secret, body); err != nil {
			return run, "", err
		}
		if id == "" {
			id = "signed " + signature
		}
	}
	if r.Method == http.MethodGet {
		if body, err = inQuery(h, r.URL.Query()); err != nil {
			return run, "", err
		}
	}
	run, err = s.Triggers.Call(r.Context(), h, body, id, signature)
	return run, id, err
}

// callID is what the caller names the call, so that it is made once.
func callID(r *http.Request) string {
	for _, name := range []string{"Idempotency-Key", "Webhook-Id", "X-GitHub-Delivery"} {
		if v := r.Header.Get(name); v != "" && len(v) <= 256 {
			return v
		}
	}
	return ""
}

// waitOf is how long the caller waits: ?wait, or ?wait=10s.
func waitOf(r *http.Request) (time.Duration, error) {
	q := r.URL.Query()
	if !q.Has("wait") {
		return 0, nil
	}
	text := q.Get("wait")
	if text == "" {
		return hookWait, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxWait {
		return 0, fault.New(fault.Invalid, "%.40q is no time to wait", text).WithHint("write ?wait=10s; at most 5m")
	}
	return d, nil
}

// outlast waits for the end of a run, for some time.
func (s *server) outlast(ctx context.Context, run task.Run, wait time.Duration) (task.Run, error) {
	ctx, done := s.watching(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := s.Tasks.Watch(ctx, run.ID, run.LastSeq, func([]task.Event) error { return nil })
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return run, err
	}
	return s.Tasks.Get(context.WithoutCancel(ctx), run.ID)
}

// inQuery is the input of a call without a body: what the query says, numbers and
// truth values where the unit's input has those.
func inQuery(h trigger.Hook, q url.Values) (json.RawMessage, error) {
	var schema struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(h.Schema, &schema); err != nil {
		return nil, err
	}
	in := map[string]any{}
	for name, values := range q {
		if name == "wait" {
			continue
		}
		v := values[0]
		in[name] = v
		switch schema.Properties[name].Type {
		case "number", "integer":
			if _, err := strconv.ParseFloat(v, 64); err == nil && json.Valid([]byte(v)) {
				in[name] = json.RawMessage(v)
			}
		case "boolean":
			if v == "true" || v == "false" {
				in[name] = v == "true"
			}
		}
	}
	return json.Marshal(in)
}
