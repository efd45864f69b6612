package models

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

const good = `fallback = ["ollama:qwen3"]
[limits]
usd_per_day = 5.0

[providers.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
key = "openai"
requests_per_minute = 500
[providers.openai.models."gpt-4o-mini"]
price = { input = 0.15, output = 0.60, cached_input = 0.075 }
context = 128000
max_output = 16384
fallback = ["local:planner"]

[providers.ollama]
dialect = "openai"
base_url = "http://127.0.0.1:11434/v1"
`

func TestRead(t *testing.T) {
	f, err := Parse("models.toml", good)
	if err != nil {
		t.Fatal(err)
	}
	mini, err := f.Providers.Resolve("openai:gpt-4o-mini")
	if err != nil || mini.Price == nil || mini.Price.CachedInput != 0.075 || mini.Traits.MaxOutput != 16384 || mini.RequestsPerMinute != 500 {
		t.Errorf("%+v, %v", mini, err)
	}
	if got := f.FallbackOf(mini); len(got) != 1 || got[0] != "local:planner" {
		t.Errorf("its own fallback: %v", got)
	}
	other, _ := f.Providers.Resolve("openai:other")
	if got := f.FallbackOf(other); len(got) != 1 || got[0] != "ollama:qwen3" {
		t.Errorf("everybody's fallback: %v", got)
	}
	if f, err := Read(filepath.Join(t.TempDir(), "none.toml")); err != nil || len(f.Providers) != 1 {
		t.Errorf("no file: %+v, %v", f, err)
	}
}

func TestMistakesAreSaidWithTheirLine(t *testing.T) {
	for _, c := range []struct{ name, old, new, want, hint string }{
		{"a misspelt setting", "max_output = 16384", "max_outptu = 16384", `models.toml:13: unknown setting "providers.openai.models.gpt-4o-mini.max_outptu"`, `"max_output"`},
		{"a misspelt dialect", `"openai"` + "\nbase_url = \"https", `"openia"` + "\nbase_url = \"https", `models.toml:6: provider "openai" speaks "openia"`, `"openai"`},
		{"broken TOML", "[limits]", "[limits", "models.toml:3: ", "docs/guide"},
		{"a negative price", "output = 0.60", "output = -1", "models.toml:11: -1 is no price", "million"},
		{"more out than in all", "context = 128000", "context = 1000", "models.toml:13: max_output 16384", "together"},
		{"a fallback nobody knows", `"local:planner"`, `"nobody:x"`, `models.toml:14: fallback: no provider "nobody"`, "configured"},
		{"two keys", `key = "openai"`, "key = \"openai\"\nkey_file = \"/x\"", "models.toml:8: ", "keep one"},
		{"a key in the address", "https://api", "https://user:pw@api", "models.toml:6: ", "no user"},
		{"a limit below nothing", "usd_per_day = 5.0", "usd_per_day = -5.0", "models.toml:3: usd_per_day", "positive"},
		{"a number in words", "requests_per_minute = 500", `requests_per_minute = "many"`, "models.toml", "docs/guide"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: %q is not in the file", c.name, c.old)
		}
		_, err := Parse("models.toml", strings.Replace(good, c.old, c.new, 1))
		f, ok := fault.As(err)
		if !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, c.want) || !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%s: %v (hint %q), want %q", c.name, err, f.Hint, c.want)
		}
	}
}

func TestAChangedFileIsReadAgainAndAWrongOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "models.toml")
	put := func(text string, at time.Time) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	live, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil || len(live.File().Providers) != 1 {
		t.Fatalf("%+v, %v", live.File(), err)
	}
	began := time.Now()
	for i, c := range []struct {
		text string
		want int
	}{{good, 3}, {"[providers", 3}, {"", 1}} {
		put(c.text, began.Add(time.Duration(i)*time.Second))
		live.looked = time.Time{}
		if got := live.File(); len(got.Providers) != c.want {
			t.Errorf("change %d: %d providers, want %d", i, len(got.Providers), c.want)
		}
	}
	if fixed := Fixed(File{Providers: llm.DefaultCatalog()}); len(fixed.File().Providers) != 1 {
		t.Error("a fixed file changed")
	}
}
