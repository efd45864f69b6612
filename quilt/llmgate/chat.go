package llmgate

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/dialect"
	"github.com/ariacomputecompany/firmware/llm/wire"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// chatArgs are the arguments of llm.chat: llm.Request in JSON, and the model.
type chatArgs struct {
	Model       string          `json:"model"`
	Messages    []llm.Message   `json:"messages"`
	Tools       []llm.Tool      `json:"tools"`
	Choice      llm.Choice      `json:"choice"`
	Output      json.RawMessage `json:"output"`
	MaxTokens   int64           `json:"maxTokens"`
	Temperature *float64        `json:"temperature"`
}

type chatAnswer struct {
	Text      string         `json:"text"`
	ToolCalls []llm.ToolCall `json:"toolCalls,omitempty"`
	Stop      llm.Stop       `json:"stop"`
	Usage     llm.Usage      `json:"usage"`
}

// chat is one turn with any model, whatever dialect it speaks.
func (g *Gate) chat(ctx context.Context, c broker.Call) (any, error) {
	var a chatArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of llm.chat are not valid").WithHint("use the llm handle of @aria/sdk")
	}
	if len(a.Messages) == 0 || a.MaxTokens < 0 {
		return nil, fault.New(fault.Invalid, "llm.chat takes at least one message, and no negative maxTokens")
	}
	gr, err := g.grant(ctx, g.cfg.Models.File(), c, nil, a.Model)
	if err != nil {
		return nil, err
	}
	t := gr.target
	gr.hold.Done() // the request itself holds it
	model, err := g.model(t, c)
	if err != nil {
		return nil, err
	}
	r, err := model.Generate(ctx, llm.Request{Messages: a.Messages, Tools: a.Tools, Choice: a.Choice, Output: a.Output,
		MaxTokens: a.MaxTokens, Temperature: a.Temperature}, nil)
	if err != nil {
		return nil, err
	}
	if t.Price != nil {
		r.Usage.USD = t.Price.Of(r.Usage)
	}
	return chatAnswer{r.Text, r.ToolCalls, r.Stop, r.Usage}, nil
}

// model speaks to the provider through our own gate, so that each try is held
// against tokens and limits like any other request.
func (g *Gate) model(t llm.Target, c broker.Call) (llm.Model, error) {
	if t.Dialect == llm.DialectLocal {
		if t.Model != "planner" {
			return nil, fault.New(fault.Invalid, "%s is not for chat", t.Ref()).WithHint(`"local:planner" is`)
		}
		return g.planner, nil
	}
	c.Grant.Spent = nil // the operation's own answer says it
	inner := t
	inner.BaseURL = "http://" + gateHost + frontPath[t.Dialect]
	inner.Model = t.Ref()
	return dialect.Open(inner, wire.Config{Whole: true, Retries: 2,
		Client: &http.Client{Transport: within{g.Handler(c)}}})
}

// gateHost is no host: requests to it never leave the process.
const gateHost = "gate.invalid"

var frontPath = map[string]string{llm.DialectOpenAI: "/openai/v1", llm.DialectResponses: "/openai/v1",
	llm.DialectAnthropic: "/anthropic/v1", llm.DialectGemini: "/gemini/v1beta"}

// within is a transport whose other end is a handler in this process.
type within struct{ handler http.Handler }

func (t within) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &kept{header: http.Header{}, status: http.StatusOK}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if err := t.serve(w, r); err != nil {
		return nil, err
	}
	if code := w.header.Get("X-Aria-Code"); code != "" && w.header.Get("X-Should-Retry") != "true" {
		return nil, refusedWithin(code, w.body.Bytes())
	}
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(w.body.Len())}, nil
}

// serve turns the way in which a handler breaks off an answer into an error.
func (t within) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			panic(p)
		}
		if e := r.Context().Err(); e != nil {
			err = e
		}
	}()
	t.handler.ServeHTTP(w, r)
	return nil
}

// refusedWithin is a refusal of the gate itself, with its own code and words.
func refusedWithin(code string, body []byte) error {
	text, _ := wire.Sentence(bytes.NewReader(body), "")
	text = strings.TrimSuffix(strings.TrimPrefix(text, ": "), " ["+code+"]")
	return wire.Final(fault.New(fault.Code(code), "%s", text))
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }

// embedArgs are the arguments of llm.embed.
type embedArgs struct {
	Model string   `json:"model"`
	Input []string `json:"input"`
}

// maxInputs of one llm.embed, as most providers have it.
const maxInputs = 2048

// embedding makes vectors of texts, by the provider or by our own embedder.
func (g *Gate) embedding(ctx context.Context, c broker.Call) (any, error) {
	var a embedArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of llm.embed are not valid").WithHint("use the llm handle of @aria/sdk")
	}
	if len(a.Input) == 0 || len(a.Input) > maxInputs {
		return nil, fault.New(fault.Invalid, "llm.embed takes 1 to %d texts, not %d", maxInputs, len(a.Input))
	}
	gr, err := g.grant(ctx, g.cfg.Models.File(), c, nil, a.Model)
	if err != nil {
		return nil, err
	}
	t := gr.target
	gr.hold.Done()
	if t.Dialect == llm.DialectLocal {
		return g.embedHere(ctx, t, a.Input)
	}
	if frontPath[t.Dialect] != "/openai/v1" {
		return nil, fault.New(fault.Unimplemented, "%s makes no embeddings here", t.Ref()).
			WithHint("use a provider that speaks openai, or local:embed")
	}
	return g.embedThere(ctx, c, t, a.Input)
}

func (g *Gate) embedHere(ctx context.Context, t llm.Target, input []string) (any, error) {
	if t.Model != "embed" {
		return nil, fault.New(fault.Invalid, "%s makes no embeddings", t.Ref()).WithHint(`"local:embed" does`)
	}
	vectors := make([][]float32, len(input))
	for i, text := range input {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(err, fault.Cancelled, "the embedding was given up")
		}
		v, err := g.embed.Embed(text)
		if err != nil {
			return nil, err
		}
		vectors[i] = v
	}
	return map[string]any{"vectors": vectors, "usage": llm.Usage{}}, nil
}

func (g *Gate) embedThere(ctx context.Context, c broker.Call, t llm.Target, input []string) (any, error) {
	body, err := json.Marshal(map[string]any{"model": t.Ref(), "input": input})
	if err != nil {
		return nil, err
	}
	c.Grant.Spent = nil // as in model
	caller, err := wire.New(wire.Config{BaseURL: "http://" + gateHost + "/openai/v1", Model: t.Ref(), Retries: 2,
		Client: &http.Client{Transport: within{g.Handler(c)}}})
	if err != nil {
		return nil, err
	}
	var out struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
		Usage struct {
			Input int64 `json:"prompt_tokens"`
		} `json:"usage"`
	}
	_, err = caller.Do(ctx, wire.Call{URL: caller.Base("") + "/embeddings", Body: body, Read: func(res *http.Response) (llm.Reply, error) {
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			return llm.Reply{}, wire.Nonsense(err)
		}
		return llm.Reply{}, nil
	}}, nil)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(input))
	for _, d := range out.Data {
		if d.Index < 0 || d.Index >= len(vectors) {
			return nil, fault.New(fault.Failed, "%s answered with an embedding of text %d of %d", t.Ref(), d.Index, len(vectors))
		}
		vectors[d.Index] = d.Embedding
	}
	for i, v := range vectors {
		if len(v) == 0 {
			return nil, fault.New(fault.Failed, "%s left out the embedding of text %d", t.Ref(), i)
		}
	}
	u := llm.Usage{InputTokens: max(0, out.Usage.Input)}
	if t.Price != nil {
		u.USD = t.Price.Of(u)
	}
	return map[string]any{"vectors": vectors, "usage": u}, nil
}
