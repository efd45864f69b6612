// Package wire is what the dialects share on their way to a server: one request
// with its retries, the key, server-sent events, errors as faults, and names
// that a server can spell. It knows no dialect. It follows no redirect, and the
// key is in no error, log or event.
package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// MaxAnswer bounds one answer; a server that sends more is broken or hostile.
const MaxAnswer = 16 << 20

// Config of one model at one address.
type Config struct {
	BaseURL string // up to and without the last words, such as "/chat/completions"
	Model   string
	// Key is asked before every request; nil or "" sends none.
	Key func() (string, error)
	// PlainHTTP lets a key cross http:// to another machine.
	PlainHTTP bool
	// Whole asks for answers in one piece instead of a stream.
	Whole bool

	Retries int           // after the first try; 0: 4, negative: none
	Backoff time.Duration // before the first retry, doubled each time; 0: 500 ms
	MaxWait time.Duration // the longest single wait; 0: 30 s
	Client  *http.Client  // nil: one with sane dial and header timeouts
}

// Caller sends requests of one dialect to one address.
type Caller struct {
	cfg    Config
	base   string
	client *http.Client
}

// New checks the configuration. It connects to nothing.
func New(cfg Config) (*Caller, error) {
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fault.New(fault.Invalid, "the model's base URL is not usable").
			WithHint(`write it such as "https://api.openai.com/v1", with no user or key in it`)
	}
	if cfg.Model == "" {
		return nil, fault.New(fault.Invalid, "no model is named").WithHint(`such as "gpt-4o-mini"`)
	}
	if cfg.Retries == 0 {
		cfg.Retries = 4
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = 500 * time.Millisecond
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 30 * time.Second
	}
	client := http.Client{Transport: transport()}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	// A redirect could carry the key and the conversation somewhere else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Caller{cfg: cfg, base: strings.TrimRight(cfg.BaseURL, "/"), client: &client}, nil
}

// Base is the base URL without a slash at its end; with a version where it was
// written without one and version is not "".
func (c *Caller) Base(version string) string {
	if version == "" || strings.HasSuffix(c.base, "/v1") || strings.HasSuffix(c.base, version) {
		return c.base
	}
	return c.base + version
}

// Call is one request made ready.
type Call struct {
	URL    string
	Body   []byte
	Header http.Header                             // nil: only the content type
	Key    func(h http.Header, key string)         // puts the key where the dialect has it
	Read   func(*http.Response) (llm.Reply, error) // once for every try that is answered with 200
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 5 * time.Minute // a whole answer's first byte comes when it is done
	t.MaxIdleConnsPerHost = 16
	return t
}

// Do sends a call and tries it again where that may help. emit hears of each
// new try.
func (c *Caller) Do(ctx context.Context, call Call, emit func(llm.Event) error) (llm.Reply, error) {
	key, err := c.key()
	if err != nil {
		return llm.Reply{}, err
	}
	wait := c.cfg.Backoff
	for try := 0; ; try++ {
		reply, err := c.once(ctx, key, call)
		var again *retryable
		if err == nil || ctx.Err() != nil || !errors.As(err, &again) {
			return reply, face(ctx, err)
		}
		pause := min(wait, c.cfg.MaxWait)
		if again.after > 0 {
			pause = again.after
		}
		if try >= c.cfg.Retries || pause > c.cfg.MaxWait {
			return llm.Reply{}, again.final(try + 1)
		}
		if emit != nil {
			if err := emit(llm.Event{Kind: llm.EventRetry, Text: again.fault.Message}); err != nil {
				return llm.Reply{}, err
			}
		}
		select {
		case <-ctx.Done():
			return llm.Reply{}, face(ctx, ctx.Err())
		case <-time.After(pause):
		}
		wait *= 2
	}
}

func (c *Caller) key() (string, error) {
	if c.cfg.Key == nil {
		return "", nil
	}
	key, err := c.cfg.Key()
	if err != nil {
		return "", err
	}
	return CheckKey(key, c.cfg.BaseURL, c.cfg.PlainHTTP)
}

// once sends the request once and reads its answer.
func (c *Caller) once(ctx context.Context, key string, call Call) (llm.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return llm.Reply{}, fmt.Errorf("request: %w", err)
	}
	if call.Header != nil {
		req.Header = call.Header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "aria")
	if key != "" {
		call.Key(req.Header, key)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return llm.Reply{}, unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return llm.Reply{}, c.refusal(res, key)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, MaxAnswer), res.Body}
	return call.Read(res)
}

// Bearer puts a key where OpenAI and most others look for it.
func Bearer(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

// Streams says whether an answer is a stream; a server may ignore the wish.
func Streams(res *http.Response) bool {
	return strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
}
