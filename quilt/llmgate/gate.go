// Package llmgate is what stands behind llm tokens: a gateway that speaks the
// providers' own dialects, so that unmodified clients work through it, and the
// operations llm.chat and llm.embed of the harness protocol.
//
// A request is held against the tokens of its execution; the model it names
// must be covered by one. Keys are added here, outside the container: whatever
// credential a client sends is dropped. Before a request goes out, the most that
// it can use is reserved under every limit that holds (calls at once, requests
// and tokens a minute, money of the run and of the day), and settled with what
// the provider reports. What has no known bound does not pass where something
// is limited. Spending of the day is on disk before the money is spent.
package llmgate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/llm/local"
	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Config of a Gate.
type Config struct {
	Models *models.Live
	// Key finds a secret by name; nil: there is no secret store, and only
	// providers with a key file or without a key work.
	Key func(ctx context.Context, tenant, name string) (string, error)
	// Dir keeps what was spent today. "": in memory only, for tests.
	Dir string
	// Wait is how long a request waits for a rate or a free place; 0: a minute.
	Wait   time.Duration
	Client *http.Client     // nil: one that follows no redirect
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger
}

// Gate is the gateway. Its methods may be called concurrently.
type Gate struct {
	cfg     Config
	client  *http.Client
	ledger  *ledger
	book    *book // nil without Dir
	embed   *embed.Encoder
	planner *local.Planner

	sweepMu sync.Mutex
	swept   time.Time
}

// New opens what was spent today. It connects to nothing.
func New(cfg Config) (*Gate, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Minute
	}
	client := http.Client{Transport: transport()}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	// A redirect could carry the key and the conversation somewhere else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g := &Gate{cfg: cfg, client: &client, embed: embed.New()}
	g.planner = local.New(g.embed.Embed)
	g.ledger = newLedger(nil)
	if cfg.Dir == "" {
		return g, nil
	}
	b, err := openBook(cfg.Dir)
	if err != nil {
		return nil, err
	}
	g.book, g.ledger = b, newLedger(b.keep)
	for key, height := range b.height {
		g.ledger.restore(key, height)
	}
	return g, nil
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // what a daemon's environment says is not what its owner wrote
	t.ResponseHeaderTimeout = 10 * time.Minute
	t.MaxIdleConnsPerHost = 32
	return t
}

// Close writes down what was really spent, in place of the rounded-up heights.
func (g *Gate) Close() error {
	g.client.CloseIdleConnections()
	if g.book == nil {
		return nil
	}
	if err := g.book.write(g.ledger.heights(dayPrefix)); err != nil {
		return fmt.Errorf("what models cost: %w", err)
	}
	return nil
}

// Service has the operations of the harness protocol.
func (g *Gate) Service() broker.Service {
	return broker.Service{Scheme: "llm", Nature: broker.Natures{
		"llm.chat": broker.Paid, "llm.embed": broker.Paid,
	}.Of, Ops: map[string]broker.Op{"llm.chat": g.chat, "llm.embed": g.embedding}}
}

// Handler serves /openai/, /anthropic/ and /gemini/ for one execution. The
// call says whose tokens count; its arguments are not looked at.
func (g *Gate) Handler(call broker.Call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && g.list(w, r, call) {
			return
		}
		a, err := read(r)
		if err == nil {
			err = g.pass(w, r, call, a)
		}
		if err != nil {
			g.tell(w, a.front, err)
		}
	})
}

// tell gives an error its face in the dialect of the client.
func (g *Gate) tell(w http.ResponseWriter, f *front, err error) {
	e, ok := fault.As(err)
	if !ok {
		g.cfg.Log.Error("model gateway", "err", err)
		e = fault.New(fault.Internal, "internal error in the model gateway").WithHint("the log of quiltd has the cause")
	}
	l, rate := err.(*limited)
	retry := e.Code == fault.Unavailable
	var after time.Duration
	if rate {
		retry, after = l.after > 0, l.after
	}
	refuse(w, f, e, after, retry)
}
