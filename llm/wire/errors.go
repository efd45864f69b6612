package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// retryable is an error after which the same request may succeed.
type retryable struct {
	fault *fault.Error
	after time.Duration // asked for by the server; 0: not said
}

func (r *retryable) Error() string { return r.fault.Error() }
func (r *retryable) Unwrap() error { return r.fault }

func (r *retryable) final(tries int) error {
	if r.after > 0 {
		return r.fault.WithHint("tried %d times; the server asks to wait %s", tries, r.after.Round(time.Second))
	}
	return r.fault.WithHint("tried %d times; try again later", tries)
}

// face gives an error of the connection or the context its code.
func face(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(err, fault.Cancelled, "the model's turn was cancelled")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "the model's turn took too long")
	}
	return err
}

// Again makes a fault one after which the request is tried again.
func Again(f *fault.Error) error { return &retryable{fault: f} }

// Broken says that an answer ended before its end.
func Broken(err error) error {
	return &retryable{fault: fault.Wrap(err, fault.Unavailable, "the model's answer broke off")}
}

// Nonsense says that an answer is not of the dialect.
func Nonsense(err error) error {
	return fault.Wrap(err, fault.Failed, "the model's server answered something that is not its dialect").
		WithHint("check base_url: it usually ends in /v1")
}

// Final makes a fault of a transport one that no retry helps against.
func Final(f *fault.Error) error { return &final{f} }

type final struct{ fault *fault.Error }

func (f *final) Error() string { return f.fault.Error() }
func (f *final) Unwrap() error { return f.fault }

func unreachable(err error) error {
	var f *final
	if errors.As(err, &f) {
		return f.fault
	}
	return &retryable{fault: fault.Wrap(err, fault.Unavailable, "the model's server cannot be reached")}
}

// refusal turns a reply that is not 200 into a fault. What the server says is
// shown, except where it may echo the key.
func (c *Caller) refusal(res *http.Response, key string) error {
	said, after := Sentence(res.Body, key)
	if after == 0 {
		after = RetryAfter(res.Header, time.Now())
	}
	switch code := res.StatusCode; {
	case code == 401 || code == 403 || code == 400 && strings.Contains(said, "API key not valid"): // Gemini says 400
		return fault.New(fault.Unauthenticated, "the model's server refuses the key (HTTP %d)", code).
			WithHint("check the provider's key_file, and that the key may use model %q", c.cfg.Model)
	case code == 404:
		return fault.New(fault.NotFound, "the model's server does not know model %q or the address%s", c.cfg.Model, said).
			WithHint("check the model's name and base_url")
	case code == 429:
		return &retryable{fault.New(fault.Exhausted, "the model's server says: too many requests or no quota%s", said), after}
	case code == 408 || code >= 500:
		return &retryable{fault.New(fault.Unavailable, "the model's server has a problem (HTTP %d)%s", code, said), after}
	case code >= 300 && code < 400:
		return fault.New(fault.Invalid, "the model's server answers with a redirect (HTTP %d), which is not followed", code).
			WithHint("set base_url to where it points")
	case code == 413 || tooLong(said):
		return fault.Wrap(llm.ErrTooLong, fault.Exhausted, "the conversation is longer than the model takes%s", said).
			WithHint("give it fewer tools or smaller results, or a model with more room")
	default:
		return fault.New(fault.Invalid, "the model's server refuses the request (HTTP %d)%s", code, said)
	}
}

// tooLong finds what providers say of a conversation that does not fit.
func tooLong(said string) bool {
	for _, words := range []string{"context_length", "prompt is too long", "exceeds the maximum number of tokens"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// Sentence is what a server's error says, short, on one line, without the key
// and with ": " before it; and how long it asks to wait, where the body says.
func Sentence(r io.Reader, key string) (text string, after time.Duration) {
	b, _ := io.ReadAll(io.LimitReader(r, 64<<10))
	var list []json.RawMessage
	if json.Unmarshal(b, &list) == nil && len(list) > 0 {
		b = list[0] // Gemini's streams
	}
	var e struct {
		Error json.RawMessage `json:"error"`
	}
	var inner struct {
		Message string `json:"message"`
		Code    any    `json:"code"`
		Details []struct {
			RetryDelay string `json:"retryDelay"` // Gemini: "17s"
		} `json:"details"`
	}
	if json.Unmarshal(b, &e) == nil {
		if json.Unmarshal(e.Error, &inner) == nil {
			text = inner.Message
			if c, ok := inner.Code.(string); ok {
				text += " [" + c + "]"
			}
		} else {
			_ = json.Unmarshal(e.Error, &text)
		}
	}
	for _, d := range inner.Details {
		if w, err := time.ParseDuration(d.RetryDelay); err == nil && w > 0 {
			after = w
		}
	}
	if key != "" {
		text = strings.ReplaceAll(text, key, "…")
	}
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return "", after
	}
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return ": " + text, after
}

// RetryAfter is how long a server asks to wait; 0 if it does not say.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// ResetTime reads when a rate is full again: a span ("6m0s", "1.5s", "20ms") or
// a time. What cannot be read is a minute.
func ResetTime(v string, now time.Time) time.Time {
	if d, err := time.ParseDuration(v); err == nil && d >= 0 {
		return now.Add(d)
	}
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		return t
	}
	return now.Add(time.Minute)
}
