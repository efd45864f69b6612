// Package openai speaks the chat completions dialect to any base URL: OpenAI
// itself, Ollama, the llama.cpp server, vLLM, LM Studio, OpenRouter and others.
// It maps unit names to the names the dialect can spell, lowers schemas to the
// strict form and undoes that, retries what may succeed later, and turns errors
// into faults. It follows no redirect, and the key is in no error, log or event.
package openai

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Config of one model at one address.
type Config struct {
	BaseURL string // up to and without "/chat/completions"
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

// Model is one model at one address.
type Model struct {
	cfg   Config
	url   string
	plain bool // http:// to another machine
	// newLimit: the server calls the bound of an answer max_completion_tokens.
	newLimit bool
	client   *http.Client
}

// New checks the configuration. It connects to nothing.
func New(cfg Config) (*Model, error) {
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
	return &Model{
		cfg:      cfg,
		url:      strings.TrimRight(cfg.BaseURL, "/") + "/chat/completions",
		plain:    u.Scheme == "http" && !loopback(u.Hostname()),
		newLimit: u.Hostname() == "api.openai.com",
		client:   &client,
	}, nil
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 5 * time.Minute // a whole answer's first byte comes when it is done
	t.MaxIdleConnsPerHost = 16
	return t
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Generate implements llm.Model.
func (m *Model) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	if emit == nil {
		emit = func(llm.Event) error { return nil }
	}
	key, err := m.key()
	if err != nil {
		return llm.Reply{}, err
	}
	call, err := m.encode(req)
	if err != nil {
		return llm.Reply{}, err
	}
	wait := m.cfg.Backoff
	for try := 0; ; try++ {
		reply, err := m.once(ctx, key, call, emit)
		var again *retryable
		if err == nil || ctx.Err() != nil || !errors.As(err, &again) {
			return reply, face(ctx, err)
		}
		pause := min(wait, m.cfg.MaxWait)
		if again.after > 0 {
			pause = again.after
		}
		if try >= m.cfg.Retries || pause > m.cfg.MaxWait {
			return llm.Reply{}, again.final(try + 1)
		}
		if err := emit(llm.Event{Kind: llm.EventRetry, Text: again.fault.Message}); err != nil {
			return llm.Reply{}, err
		}
		select {
		case <-ctx.Done():
			return llm.Reply{}, face(ctx, ctx.Err())
		case <-time.After(pause):
		}
		wait *= 2
	}
}

func (m *Model) key() (string, error) {
	if m.cfg.Key == nil {
		return "", nil
	}
	key, err := m.cfg.Key()
	if err != nil {
		return "", err
	}
	key = strings.TrimSpace(key)
	if strings.ContainsAny(key, "\r\n\x00 ") {
		return "", fault.New(fault.Invalid, "the model's key file does not hold one key").WithHint("one line, nothing else")
	}
	if key != "" && m.plain && !m.cfg.PlainHTTP {
		return "", fault.New(fault.Denied, "the model's key would cross the network unencrypted").
			WithHint("use an https:// base_url, or set plain_http = true for this provider")
	}
	return key, nil
}
