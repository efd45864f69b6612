package fallback_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/fallback"
	"github.com/ariacomputecompany/firmware/llm/openai"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// provider answers every request with one turn.
func provider(t *testing.T, ref string, turn scripted.Turn) fallback.Choice {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := scripted.Serve(ln, scripted.Script{Forever: true, Turns: []scripted.Turn{turn}})
	t.Cleanup(func() { s.Close() })
	m, err := openai.New(openai.Config{BaseURL: s.URL(), Model: "m", Retries: -1, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return fallback.Choice{Ref: ref, Model: m}
}

func TestWhoTakesOver(t *testing.T) {
	good := scripted.Turn{Text: "ok"}
	for _, c := range []struct {
		name   string
		first  scripted.Turn
		second scripted.Turn
		code   fault.Code
		passes int
	}{
		{"the first is up", good, scripted.Turn{Text: "wrong"}, "", 0},
		{"the first is down", scripted.Turn{Status: 503}, good, "", 1},
		{"the first is limited", scripted.Turn{Status: 429, RetryAfter: "600"}, good, "", 1},
		{"the first breaks off", scripted.Turn{Text: "half of it", Cut: true}, good, "", 1},
		{"a wrong key is an answer", scripted.Turn{Status: 401}, good, fault.Unauthenticated, 0},
		{"a bad request is an answer", scripted.Turn{Status: 400}, good, fault.Invalid, 0},
		{"all are down", scripted.Turn{Status: 503}, scripted.Turn{Status: 500}, fault.Unavailable, 1},
	} {
		m := fallback.New(provider(t, "a:m", c.first), provider(t, "b:m", c.second))
		var told []string
		r, err := m.Generate(t.Context(), llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "?"}}}, func(e llm.Event) error {
			if e.Kind == llm.EventFallback {
				told = append(told, e.Text)
			}
			return nil
		})
		if fault.CodeOf(err) != c.code || err == nil && r.Text != "ok" || len(told) != c.passes {
			t.Errorf("%s: %q, %v, told %q", c.name, r.Text, err, told)
		}
		if c.passes > 0 && !strings.HasSuffix(fmt.Sprint(told), "going on with b:m]") {
			t.Errorf("%s: told %q", c.name, told)
		}
	}
}

func TestACancelledTurnGoesNowhere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := fallback.New(provider(t, "a:m", scripted.Turn{Text: "x"}), provider(t, "b:m", scripted.Turn{Text: "y"}))
	if _, err := m.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "?"}}}, nil); fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("%v", err)
	}
}
