package gemini

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

type request struct {
	System   *content       `json:"systemInstruction,omitempty"`
	Contents []content      `json:"contents"`
	Tools    []tools        `json:"tools,omitempty"`
	Calling  map[string]any `json:"toolConfig,omitempty"`
	Config   config         `json:"generationConfig"`
}

type config struct {
	MaxTokens   int64           `json:"maxOutputTokens,omitempty"`
	Temperature *float64        `json:"temperature,omitempty"`
	MIME        string          `json:"responseMimeType,omitempty"`
	Schema      json.RawMessage `json:"responseSchema,omitempty"`
	JSONSchema  json.RawMessage `json:"responseJsonSchema,omitempty"`
}

type content struct {
	Role  string `json:"role,omitempty"`
	Parts []part `json:"parts"`
}

type part struct {
	Text      string          `json:"text,omitempty"`
	Thought   bool            `json:"thought,omitempty"`
	Call      *call           `json:"functionCall,omitempty"`
	Response  *functionResult `json:"functionResponse,omitempty"`
	Signature string          `json:"thoughtSignature,omitempty"`
}

type call struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
}

type functionResult struct {
	ID       string         `json:"id,omitempty"`
	Name     string         `json:"name"`
	Response map[string]any `json:"response"`
}

type tools struct {
	Functions []function `json:"functionDeclarations"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	JSONSchema  json.RawMessage `json:"parametersJsonSchema,omitempty"`
}

func (m *Model) encode(req llm.Request) (*wire.Turn, []byte, error) {
	turn, err := wire.Prepare(req, llm.LowerGemini, llm.LowerGemini)
	if err != nil {
		return nil, nil, err
	}
	w := request{Config: config{MaxTokens: req.MaxTokens, Temperature: req.Temperature}}
	var system content
	for _, msg := range req.Messages {
		if msg.Role == llm.System {
			system.Parts = append(system.Parts, part{Text: msg.Text})
			continue
		}
		w.add(turn, msg)
	}
	w.offer(turn, req.Choice)
	if out := turn.Output; out != nil {
		switch {
		case len(turn.Tools) > 0: // most models refuse a schema beside tools
			system.Parts = append(system.Parts, part{Text: wire.AskForJSON(out.Schema)})
		case out.Strict:
			w.Config.MIME, w.Config.Schema = "application/json", out.Schema
		default:
			w.Config.MIME, w.Config.JSONSchema = "application/json", out.Schema
		}
	}
	if len(system.Parts) > 0 {
		w.System = &system
	}
	body, err := json.Marshal(w)
	turn.Sent(body)
	return turn, body, err
}

func (w *request) offer(turn *wire.Turn, choice llm.Choice) {
	var list []function
	for _, t := range turn.Tools {
		f := function{Name: t.Name, Description: t.Description}
		switch {
		case t.Schema.Empty(): // an object without properties is refused: no parameters
		case t.Schema.Strict:
			f.Parameters = t.Schema.Schema
		default:
			f.JSONSchema = t.Schema.Schema
		}
		list = append(list, f)
	}
	if list == nil {
		return
	}
	w.Tools = []tools{{list}}
	if mode := map[llm.Choice]string{llm.None: "NONE", llm.Required: "ANY"}[choice]; mode != "" {
		w.Calling = map[string]any{"functionCallingConfig": map[string]any{"mode": mode}}
	}
}

// add puts a message into the form of the dialect; those of one role one after
// the other are one, as the results of parallel calls must be.
func (w *request) add(turn *wire.Turn, m llm.Message) {
	role, parts := "user", []part{}
	switch m.Role {
	case llm.ToolRole:
		name := turn.Names.Wire(m.Tool)
		parts = append(parts, part{Response: &functionResult{m.CallID, name, result(m)}})
	case llm.Assistant:
		role = "model"
		if m.Text != "" {
			parts = append(parts, part{Text: m.Text})
		}
		for i, c := range m.ToolCalls {
			p := part{Call: &call{c.ID, turn.Names.Wire(c.Name), wire.Object(c.Arguments)}, Signature: c.Signature}
			if i == 0 && p.Signature == "" {
				p.Signature = skipSignature // a history of another model
			}
			parts = append(parts, p)
		}
	default:
		if m.Text != "" {
			parts = append(parts, part{Text: m.Text})
		}
	}
	if len(parts) == 0 {
		return
	}
	if n := len(w.Contents); n > 0 && w.Contents[n-1].Role == role {
		w.Contents[n-1].Parts = append(w.Contents[n-1].Parts, parts...)
		return
	}
	w.Contents = append(w.Contents, content{role, parts})
}

// skipSignature is what the reference gives for calls that Gemini did not make.
const skipSignature = "skip_thought_signature_validator"

// result is an object: the tool's own, or one around what it said.
func result(m llm.Message) map[string]any {
	if m.Failed {
		return map[string]any{"error": m.Text}
	}
	var v any
	if json.Unmarshal([]byte(m.Text), &v) != nil {
		v = m.Text
	}
	if o, ok := v.(map[string]any); ok {
		return o
	}
	return map[string]any{"output": v}
}
