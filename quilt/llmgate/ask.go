package llmgate

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// maxRequest bounds a request's body; what a container can send in one frame of
// the harness protocol is as much.
const maxRequest = 4 << 20

// ask is one request at the gate.
type ask struct {
	front    *front
	model    string // as the client wrote it; then as the provider knows it
	stream   bool
	body     body
	size     int64 // bytes of the body
	newLimit bool  // the server says max_completion_tokens
	hideUse  bool  // the client did not ask for the usage at the end of a stream
	header   http.Header
}

// read takes a request apart. Nothing of it is believed.
func read(r *http.Request) (*ask, error) {
	f, model, stream, err := route(r)
	if err != nil {
		return &ask{front: f}, err
	}
	a := &ask{front: f, model: model, stream: stream, body: body{}, header: http.Header{}}
	for _, h := range f.headers {
		if v := r.Header.Get(h); v != "" {
			a.header.Set(h, v)
		}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return a, fault.Wrap(err, fault.Invalid, "the request broke off")
	}
	if len(text) > maxRequest {
		return a, fault.New(fault.Exhausted, "the request has more than %d MiB", maxRequest>>20).WithHint("send less at once")
	}
	if err := json.Unmarshal(text, &a.body); err != nil || a.body == nil {
		return a, fault.New(fault.Invalid, "the request is no JSON object").WithHint("send the provider's own request format")
	}
	a.size = int64(len(text))
	if f == geminiGenerate {
		return a, nil
	}
	a.body.alike(slices.Concat(f.safe, []string{"max_output_tokens"})...)
	a.model, a.stream = a.body.text(fieldModel), a.body.flag(fieldStream)
	if a.model == "" {
		return a, fault.New(fault.Invalid, "the request names no model").WithHint(`such as "gpt-4o-mini" or "openai:gpt-4o-mini"`)
	}
	return a, nil
}

// route finds the front of a path. The first word is the client's dialect.
func route(r *http.Request) (f *front, model string, stream bool, err error) {
	path := r.URL.Path
	f = openaiChat
	switch {
	case strings.HasPrefix(path, "/anthropic/"):
		f = anthropicMessages
	case strings.HasPrefix(path, "/gemini/"):
		f = geminiGenerate
	}
	if r.Method == http.MethodPost {
		switch path {
		case "/openai/v1/chat/completions", "/anthropic/v1/messages":
			return f, "", false, nil
		case "/openai/v1/responses":
			return openaiResponses, "", false, nil
		case "/openai/v1/embeddings":
			return openaiEmbeddings, "", false, nil
		}
		rest, ok := strings.CutPrefix(path, "/gemini/v1beta/models/")
		if model, verb, _ := strings.Cut(rest, ":"); ok && model != "" {
			if i := strings.LastIndexByte(rest, ':'); i > 0 {
				model, verb = rest[:i], rest[i+1:]
			}
			if model, err = url.PathUnescape(model); err == nil && (verb == "generateContent" || verb == "streamGenerateContent") {
				return f, model, verb == "streamGenerateContent", nil
			}
		}
	}
	return f, "", false, fault.New(fault.NotFound, "the model gateway has no %s %s", r.Method, clip(path, 120)).
		WithHint("it has /openai/v1/{chat/completions,responses,embeddings,models}, /anthropic/v1/messages and " +
			"/gemini/v1beta/models/MODEL:generateContent and :streamGenerateContent")
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// bind rewrites the request for the provider. Where something is limited, only
// what has a known bound passes: out is then the most that it may answer.
func (a *ask) bind(t llm.Target, limited bool, out int64) error {
	u, err := url.Parse(t.BaseURL)
	a.newLimit = err == nil && u.Hostname() == "api.openai.com"
	a.model = t.Model
	if a.front != geminiGenerate {
		a.body.set(fieldModel, t.Model)
	}
	if n := a.body["max_tokens"]; n != nil && a.newLimit && a.front == openaiChat && a.body["max_completion_tokens"] == nil {
		a.body["max_completion_tokens"] = n // the newer models there refuse the old word
		delete(a.body, "max_tokens")
	}
	if limited {
		if err := a.bounded(); err != nil {
			return err
		}
		if a.front.bound != nil {
			if err := a.front.bound(a, out); err != nil {
				return err
			}
		}
	}
	if a.front == openaiChat && a.stream {
		a.withUsage()
	}
	return nil
}

// withUsage asks a stream to end with what was used, which it does not do by
// itself.
func (a *ask) withUsage() {
	opts := map[string]any{}
	_ = json.Unmarshal(a.body["stream_options"], &opts)
	if opts == nil {
		opts = map[string]any{}
	}
	a.hideUse = opts["include_usage"] != true
	opts["include_usage"] = true
	a.body.set("stream_options", opts)
}

// bounded refuses fields, and tools of the provider, whose cost nobody can
// bound beforehand.
func (a *ask) bounded() error {
	for k := range a.body {
		if !slices.Contains(a.front.safe, k) {
			return unbounded(k)
		}
	}
	a.header.Del("Anthropic-Beta")
	var tools []body
	if err := json.Unmarshal(a.body["tools"], &tools); err != nil && a.body["tools"] != nil {
		return fault.Wrap(err, fault.Invalid, "tools is no list of objects")
	}
	for _, t := range tools {
		if a.front == geminiGenerate {
			for k := range t {
				if k != "functionDeclarations" {
					return unbounded("tools." + k)
				}
			}
			continue
		}
		if kind := t.text("type"); kind != "function" && kind != "custom" && !(kind == "" && a.front == anthropicMessages) {
			return unbounded("the tool " + clip(kind, 40))
		}
	}
	return nil
}

func unbounded(what string) error {
	return fault.New(fault.Denied, "%s has a cost that cannot be bounded, and this model is under limits", clip(what, 80)).
		WithHint("leave it out, or take the limits off this model in models.toml")
}
