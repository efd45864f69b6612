package llmgate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

const secret = "sk-very-secret-key"

// desk is a gate before a scripted provider, as one execution sees it.
type desk struct {
	*Gate
	t      *testing.T
	server *scripted.Server
	call   broker.Call
	front  *httptest.Server
	file   string // models.toml
}

// providers are the same server in three dialects; %s is its address.
const providers = `
[providers.openai]
dialect = "openai"
base_url = "%[1]s/v1"
key = "openai-key"
%[2]s
[providers.newer]
dialect = "responses"
base_url = "%[1]s/v1"
key = "openai-key"
[providers.anthropic]
dialect = "anthropic"
base_url = "%[1]s"
key = "openai-key"
[providers.gemini]
dialect = "gemini"
base_url = "%[1]s"
key = "openai-key"
`

// newDesk: more is put under [providers.openai].
func newDesk(t *testing.T, s scripted.Script, more string, tokens ...string) *desk {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, server: scripted.Serve(ln, s), file: filepath.Join(t.TempDir(), "models.toml")}
	t.Cleanup(func() { d.server.Close() })
	if err := os.WriteFile(d.file, fmt.Appendf(nil, providers, d.server.Root(), more), 0o600); err != nil {
		t.Fatal(err)
	}
	d.open(filepath.Dir(d.file))
	set, err := token.ParseSet(tokens)
	if err != nil {
		t.Fatal(err)
	}
	d.call = broker.Call{Execution: "run1.1", Unit: "u", Grant: broker.Grant{Tenant: "acme", Tokens: set, Fence: 1}}
	d.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.Handler(d.call).ServeHTTP(w, r) }))
	t.Cleanup(d.front.Close)
	return d
}

func (d *desk) open(dir string) {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	live, err := models.Open(d.file, log)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Gate, err = New(Config{Models: live, Dir: dir, Log: log, Wait: 5 * time.Second,
		Key: func(_ context.Context, tenant, name string) (string, error) {
			if tenant != "acme" || name != "openai-key" {
				return "", fmt.Errorf("asked for %s of %s", name, tenant)
			}
			return secret, nil
		}})
	if err != nil {
		d.t.Fatal(err)
	}
}

// post sends a request as a client in the container would.
func (d *desk) post(path, body string) (status int, text string, h http.Header) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), "POST", d.front.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer from-inside")
	req.Header.Set("X-Api-Key", "from-inside")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err.Error(), res.Header
	}
	return res.StatusCode, string(b), res.Header
}

const hello = `"messages":[{"role":"user","content":"hello"}]`

func TestEachDialectPassesThrough(t *testing.T) {
	all := []string{"llm:openai:m", "llm:anthropic:m", "llm:gemini:m"}
	for _, c := range []struct{ name, path, body, want string }{
		{"chat", "/openai/v1/chat/completions", `{"model":"m",` + hello + `}`, `"content":"hi there"`},
		{"chat, with the provider's name", "/openai/v1/chat/completions", `{"model":"openai:m",` + hello + `}`, `"content":"hi there"`},
		{"chat as a stream", "/openai/v1/chat/completions", `{"model":"m","stream":true,` + hello + `}`, "data: [DONE]"},
		{"responses", "/openai/v1/responses", `{"model":"m","input":"hello"}`, `"text":"hi there"`},
		{"responses as a stream", "/openai/v1/responses", `{"model":"m","input":"hello","stream":true}`, "event: response.completed"},
		{"embeddings", "/openai/v1/embeddings", `{"model":"m","input":["a b"]}`, `"embedding":[3,2,1]`},
		{"messages", "/anthropic/v1/messages", `{"model":"m","max_tokens":10,` + hello + `}`, `"text":"hi there"`},
		{"messages as a stream", "/anthropic/v1/messages", `{"model":"m","max_tokens":10,"stream":true,` + hello + `}`, "event: message_stop"},
		{"generateContent", "/gemini/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"hello"}]}]}`, `"text":"hi there"`},
		{"streamGenerateContent", "/gemini/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"hello"}]}]}`, `"finishReason":"STOP"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, scripted.Script{Forever: true, Key: secret, Turns: []scripted.Turn{{Text: "hi there"}}}, "", all...)
			status, text, _ := d.post(c.path, c.body)
			if status != 200 || !strings.Contains(text, c.want) {
				t.Errorf("HTTP %d, no %q in %s", status, c.want, text)
			}
			for _, r := range d.server.Requests() {
				if sent := fmt.Sprint(r.Header); strings.Contains(sent, "from-inside") || r.Model != "m" {
					t.Errorf("sent for model %q with %s", r.Model, sent)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const chat = "/openai/v1/chat/completions"
	for _, c := range []struct {
		name, path, body string
		tokens           []string
		status           int
		want             string
	}{
		{"no token at all", chat, `{"model":"gpt-4o",` + hello + `}`, nil, 403, "this unit holds no llm:openai:gpt-4o"},
		{"another model", chat, `{"model":"gpt-4o",` + hello + `}`, []string{"llm:openai:m"}, 403, "holds no llm:openai:gpt-4o"},
		{"a token above it", chat, `{"model":"m",` + hello + `}`, []string{"llm:openai"}, 200, "hi"},
		{"a provider that is not configured", chat, `{"model":"x",` + hello + `}`, []string{"llm:mistral:x"}, 403, "holds no llm:openai:x"},
		{"a name that is none", chat, `{"model":"m?budget=5",` + hello + `}`, []string{"llm:openai"}, 400, "is not the name of a model"},
		{"units smuggled in", chat, `{"model":"m#5",` + hello + `}`, []string{"llm:openai"}, 400, "is not the name of a model"},
		{"no model", chat, `{` + hello + `}`, []string{"llm:openai"}, 400, "names no model"},
		{"no JSON", chat, `hello`, []string{"llm:openai"}, 400, "no JSON object"},
		{"null", chat, `null`, []string{"llm:openai"}, 400, "no JSON object"},
		{"an unknown path", "/openai/v1/images/generations", `{"model":"m"}`, []string{"llm:openai"}, 404, "has no POST"},
		{"the wrong dialect", chat, `{"model":"anthropic:m",` + hello + `}`, []string{"llm:anthropic:m"}, 501, "speaks the anthropic dialect"},
		{"Anthropic's form", "/anthropic/v1/messages", `{"model":"m","max_tokens":5,` + hello + `}`, nil, 403, `{"error":{"message":"this unit holds no llm:anthropic:m`},
		{"Gemini's form", "/gemini/v1beta/models/m:generateContent", `{"contents":[]}`, nil, 403, `"status":"PERMISSION_DENIED"`},
		{"a path in the model", "/gemini/v1beta/models/..%2f..%2fx:generateContent", `{"contents":[]}`, []string{"llm:gemini"}, 400, "is not the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "", c.tokens...)
			status, text, _ := d.post(c.path, c.body)
			if status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("HTTP %d, want %d with %q: %s", status, c.status, c.want, text)
			}
			if n := len(d.server.Requests()); c.status != 200 && n > 0 {
				t.Errorf("%d requests went out", n)
			}
		})
	}
}

func TestAKeyThatIsEchoedDoesNotComeIn(t *testing.T) {
	for _, turn := range []scripted.Turn{
		{Status: 401, Error: "wrong key " + secret}, {Status: 400, Error: "bad " + secret}, {Text: "it is " + secret}, {Status: 307},
	} {
		for _, stream := range []string{"", `"stream":true,`} {
			d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{turn}}, "", "llm:openai:m")
			status, text, h := d.post("/openai/v1/chat/completions", `{"model":"m",`+stream+hello+`}`)
			if strings.Contains(text+fmt.Sprint(h), secret) || turn.Status > 0 && status == 200 {
				t.Errorf("HTTP %d %s %v", status, text, h)
			}
		}
	}
}

// A stream whose end nobody saw must not look like a whole one.
func TestABrokenStreamIsBrokenInside(t *testing.T) {
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hello world", Cut: true}}}, "tokens_per_minute = 100000", "llm:openai:m")
	_, text, _ := d.post("/openai/v1/chat/completions", `{"model":"m","max_tokens":50,"stream":true,`+hello+`}`)
	if strings.Contains(text, "[DONE]") {
		t.Errorf("a cut stream ended as if it were whole: %s", text)
	}
}

// A client that did not ask for the usage of a stream does not get it, one that
// did gets it; the gate sees it in both cases.
func TestUsageOfAStream(t *testing.T) {
	for _, asked := range []bool{false, true} {
		d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi", Usage: &scripted.Usage{Input: 7, Output: 3}}}},
			"tokens_per_minute = 100000", "llm:openai:m")
		_, text, _ := d.post("/openai/v1/chat/completions", fmt.Sprintf(`{"model":"m","stream":true,"stream_options":{"include_usage":%v},%s}`, asked, hello))
		if strings.Contains(text, `"prompt_tokens"`) != asked || !strings.HasSuffix(text, "data: [DONE]\n\n") {
			t.Errorf("asked %v: %s", asked, text)
		}
		if got := d.ledger.windows["tokens/openai"].used; got != 10 {
			t.Errorf("asked %v: %d tokens counted, want 10", asked, got)
		}
	}
}

func TestModelsList(t *testing.T) {
	d := newDesk(t, scripted.Script{}, `[providers.openai.models."gpt-4o"]`+"\ncontext = 1\n[providers.openai.models.other]\ncontext = 1\n",
		"llm:openai:gpt-4o", "llm:openai:mini", "kv:a:r")
	res, err := http.Get(d.front.URL + "/openai/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Data) != 2 || got.Data[0].ID != "openai:gpt-4o" || got.Data[1].ID != "openai:mini" {
		t.Errorf("%+v, %v", got, err)
	}
}
