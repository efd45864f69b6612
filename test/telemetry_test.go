package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// collector takes OTLP over HTTP as a collector does: it refuses what is not a
// trace export request in OTLP's JSON.
type collector struct {
	mu    sync.Mutex
	spans []otlpSpan
	bad   []string
	raw   strings.Builder
}

type otlpSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Attributes                          []struct {
		Key   string
		Value map[string]any
	}
}

func (s otlpSpan) get(key string) any {
	for _, a := range s.Attributes {
		if a.Key == key {
			for _, v := range a.Value {
				return v
			}
		}
	}
	return nil
}

var hexID = regexp.MustCompile(`^[0-9a-f]+$`)

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []any }
			ScopeSpans []struct{ Spans []otlpSpan }
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &m) != nil || len(m.ResourceSpans) == 0 {
		c.bad = append(c.bad, r.URL.Path+" "+string(body))
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				if len(s.TraceID) != 32 || len(s.SpanID) != 16 || !hexID.MatchString(s.TraceID+s.SpanID+s.ParentSpanID) {
					c.bad = append(c.bad, s.Name+" has odd ids")
				}
				c.spans = append(c.spans, s)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}"))
}

// TestTelemetry: a run of an agent is one trace with the GenAI names, what it
// used is in /metrics, the log is JSON, and none of it holds what was said.
func TestTelemetry(t *testing.T) {
	testenv.NeedRoot(t)
	col := &collector{}
	server := httptest.NewServer(col)
	defer server.Close()
	data := t.TempDir()
	for dir := data; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the daemons' users must reach it
			t.Fatal(err)
		}
	}
	config := "log_format = \"json\"\n[telemetry]\notlp = \"" + server.URL + "\"\n"
	if err := os.WriteFile(filepath.Join(data, "ariad.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	pair := startPairIn(t, data)
	dir, err := system.Project(map[string]string{"aria.toml": "name = \"seen\"\nversion = \"1.0.0\"\n", "src/seen.ts": `import { agent, Agent, tool } from '@aria/sdk';
export class Voice {
  /** Shout a text.
   * @param text what to shout */
  @tool()
  async shout(text: string): Promise<{ text: string }> { console.log(text); return { text: text + '!' }; }
}
@agent({ model: 'local:planner', tools: [Voice], maxSteps: 4 })
export class Loud extends Agent<{ request: string }, { text: string }> { instructions = 'Shout.'; }
`})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := pair.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if out, err := system.Done(pair.Run(t.Context(), "loud", `{"request":"shout \"marmalade\""}`)); err != nil {
		t.Fatal(out, err)
	}
	spans := col.wait(t, "invoke_agent loud")
	if len(spans["chat planner"]) != 2 || len(spans["execute_tool voice.shout"]) != 1 {
		t.Fatalf("spans: %v", spans)
	}
	root, chat, call := spans["invoke_agent loud"][0], spans["chat planner"][0], spans["execute_tool voice.shout"][0]
	if chat.ParentSpanID != root.SpanID || call.ParentSpanID != root.SpanID || chat.TraceID != root.TraceID || call.TraceID != root.TraceID || root.ParentSpanID != "" {
		t.Errorf("they do not hang together: %+v %+v %+v", root, chat, call)
	}
	for key, want := range map[string]any{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "local", "gen_ai.request.model": "planner", "gen_ai.usage.input_tokens": "0"} {
		if got := chat.get(key); got != want {
			t.Errorf("%s is %v", key, got)
		}
	}
	metrics := get(t, pair, "/metrics")
	for _, want := range []string{`aria_runs_ended_total{kind="agent",state="done"} 1`, `aria_tool_calls_total{outcome="done"} 1`,
		`aria_model_turns_total{model="local:planner"} 2`, `aria_runs{state="running"} 0`, "# TYPE aria_container_start_seconds histogram",
		`aria_container_start_seconds_bucket{le="+Inf",start="`, "aria_container_start_seconds_count", "aria_spans_dropped_total 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
	col.mu.Lock()
	defer col.mu.Unlock()
	for what, text := range map[string]string{"traces": col.raw.String(), "metrics": metrics, "log": pair.Log()} {
		if strings.Contains(text, "marmalade") {
			t.Errorf("the %s hold what was said", what)
		}
	}
	if len(col.bad) > 0 {
		t.Errorf("the collector refused: %v", col.bad)
	}
	for line := range strings.Lines(pair.Log()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "aria ready") && !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
}

// wait is all spans by name, once the one that ends last is there.
func (c *collector) wait(t *testing.T, last string) map[string][]otlpSpan {
	t.Helper()
	for end := time.Now().Add(testenv.Patience(20 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out := map[string][]otlpSpan{}
		c.mu.Lock()
		for _, s := range c.spans {
			out[s.Name] = append(out[s.Name], s)
		}
		c.mu.Unlock()
		if len(out[last]) > 0 {
			return out
		}
	}
	t.Fatalf("no span %q came", last)
	return nil
}

func get(t *testing.T, p pair, path string) string {
	t.Helper()
	cred, err := os.ReadFile(p.credential)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.server+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(cred)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
