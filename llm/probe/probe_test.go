package probe_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/probe"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

func TestAll(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := scripted.Serve(ln, scripted.Script{Key: "k"})
	t.Cleanup(func() { s.Close() })
	hang := make(chan struct{})
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow/models" {
			<-hang
		}
		fmt.Fprint(w, "<html>hello</html>")
	}))
	t.Cleanup(func() { close(hang); odd.Close() })
	at := func(dialect, url string) llm.Provider { return llm.Provider{Dialect: dialect, BaseURL: url} }
	began := time.Now()
	got := probe.All(t.Context(), llm.Catalog{
		"local": {Dialect: llm.DialectLocal}, "chat": at("openai", s.URL()), "anthropic": at("anthropic", s.Root()), "gemini": at("gemini", s.Root()),
		"wrong": at("openai", s.URL()), "down": at("openai", "http://127.0.0.1:9/v1"), "html": at("openai", odd.URL), "slow": at("openai", odd.URL+"/slow"),
		"far": at("openai", "http://192.0.2.1/v1"),
	}, 300*time.Millisecond, func(name string, _ llm.Provider) (string, error) {
		if name == "wrong" {
			return "other", nil
		}
		return "k", nil
	})
	for name, code := range map[string]fault.Code{"chat": "", "anthropic": "", "gemini": "", "wrong": fault.Unauthenticated, "down": fault.Unavailable,
		"html": fault.Failed, "slow": fault.Timeout, "far": fault.Denied} {
		r, ok := got[name]
		if !ok || fault.CodeOf(r.Err) != code || code == "" && (len(r.Models) != 1 || r.Models[0] != "m") {
			t.Errorf("%s: %+v, want code %q", name, r, code)
		}
	}
	if len(got) != 8 || time.Since(began) > 3*time.Second {
		t.Errorf("%d results after %s", len(got), time.Since(began))
	}
}
