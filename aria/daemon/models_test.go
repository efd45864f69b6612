package daemon

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// An agent's provider is limited; the next speaks another dialect, takes over,
// and the run says so.
func TestAgentFallsBack(t *testing.T) {
	serve := func(s scripted.Script) *scripted.Server {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := scripted.Serve(ln, s)
		t.Cleanup(func() { srv.Close() })
		return srv
	}
	limited := serve(scripted.Script{Forever: true, Turns: []scripted.Turn{{Status: 429, RetryAfter: "600", Error: "quota"}}})
	other := serve(scripted.Script{Key: "sk-other", Turns: []scripted.Turn{
		{Calls: []scripted.Call{{Name: "shop.get", Arguments: []byte(`{"id":"A-17"}`)}}}, {Text: "it is fine"}}})
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "other.key")
	if err := os.WriteFile(keyFile, []byte("sk-other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := `fallback = ["other:claude"]
[providers.mock]
dialect = "openai"
base_url = "` + limited.URL() + `"
[providers.other]
dialect = "anthropic"
base_url = "` + other.Root() + `"
key_file = "` + keyFile + `"
`
	if err := os.WriteFile(filepath.Join(dir, "models.toml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	h := build(t, dir, shop(), func(c *Config) { c.ModelsFile = filepath.Join(dir, "models.toml") })
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "helper", Words: "how is A-17?"})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.ended(run.Id); got.State != task.Done || string(got.Output) != `"it is fine"` {
		t.Fatalf("%s %s %v", got.State, got.Output, got.Error)
	}
	if k := kinds(h.events(run.Id, 0)); !strings.Contains(k, "agent.turn model.fallback model.reply") {
		t.Errorf("events: %s", k)
	}
	if err := other.Err(); err != nil {
		t.Error(err)
	}
}

func TestModelsOfTheFileAndTheConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "models.toml")
	text := `[providers.a]
dialect = "gemini"
base_url = "https://a.example"
key = "a"
[providers.a.models.m]
price = { input = 1.0, output = 2.0 }
fallback = ["a:n", "local:planner"]
[providers.a.models.n]
price = { input = 3.0, output = 1.0 }
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := newModels(Config{ModelsFile: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.model("a:m"); err != nil || got.Price == nil || got.Price.Input != 3 || got.Price.Output != 2 {
		t.Errorf("the dearest of those that may answer: %+v, %v", got.Price, err)
	}
	target, err := m.file().Providers.Resolve("a:m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key(target)(); fault.CodeOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), "secret store") {
		t.Errorf("%v", err)
	}
	if _, err := m.model("local:embed"); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an embedder as an agent's model: %v", err)
	}
}
