package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// Resident is the agent that ships with ariad, called "firmware": an ordinary
// agent, whose options stand in ariad's configuration.
type Resident struct {
	// Model of the agent: "local:planner" unless said otherwise.
	Model        string `toml:"model"`
	Instructions string `toml:"instructions"`
	// Tools are what it may call: units, or patterns such as "acme/*@^1#*". None by
	// default.
	Tools    []string `toml:"tools"`
	MaxSteps int      `toml:"max_steps"`
	Tokens   int64    `toml:"budget_tokens"` // of one run and all that it calls
	USD      float64  `toml:"budget_usd"`
	Memory   bool     `toml:"memory"`
	Code     bool     `toml:"code"` // it may write programs that call its tools
	// MakeTools: it may keep such programs as units of its own, named firmware/….
	MakeTools bool `toml:"make_tools"`
}

const residentInstructions = "You are the agent of this machine. Do what is asked with the tools you have; search for more if none fits. Say plainly what you could not do."

// Keep registers a bundle that ariad made, under a name of its own.
type Keep func(ctx context.Context, m *bundle.Manifest, files map[string][]byte) (registry.Bundle, error)

// Settle registers the resident agent as the configuration has it now.
func (a *Agents) Settle(ctx context.Context) error {
	c := a.Resident
	spec := &bundle.AgentSpec{Model: c.Model, Instructions: c.Instructions, Tools: c.Tools, MaxSteps: c.MaxSteps,
		Budget: bundle.Budget{Tokens: c.Tokens, USD: c.USD}, Memory: c.Memory, Code: c.Code}
	if spec.Model == "" {
		spec.Model = "local:planner"
	}
	if spec.Instructions == "" {
		spec.Instructions = residentInstructions
	}
	if c.MakeTools {
		spec.Tools = append(spec.Tools[:len(spec.Tools):len(spec.Tools)], registry.Own+"/*@*#*")
	}
	for _, ref := range spec.Tools {
		if !strings.Contains(ref, "#") {
			return fault.New(fault.Invalid, "[resident] tools: %q names no unit", ref).WithHint(`write "bundle@range#unit"; each may have stars: "acme/*@^1#*"`)
		}
	}
	m := ownManifest(registry.Own, bundle.Unit{Name: registry.Own, Kind: bundle.Agent, Agent: spec,
		Description: "The agent of this machine.", Input: json.RawMessage(`{"type":"string"}`), Output: json.RawMessage(`{"type":"string"}`)})
	_, err := a.Keep(ctx, m, nil)
	return err
}

func ownManifest(name string, u bundle.Unit) *bundle.Manifest {
	u.Place = bundle.Place{File: "ariad", Line: 1, Col: 1}
	return &bundle.Manifest{Aria: "1", Name: name, Units: []bundle.Unit{u},
		Builder: bundle.Builder{Arc: version.Version, TypeScript: "none", Esbuild: "none"}}
}

// resident says whether a unit is the resident agent.
func resident(u registry.Unit) bool { return u.Bundle == registry.Own && u.Name == registry.Own }

var madeName = regexp.MustCompile(`^[a-z][a-z0-9]{0,39}$`)

// made is a tool that a model wrote.
type made struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Input       json.RawMessage `json:"input"`
	Code        string          `json:"code"`
}

// makeTool lets the resident agent keep a program. What it may call is what the
// agent may call now, pinned; it holds no token.
func (s *stint) makeTool(calls map[string]string) own {
	return own{agent.Tool{Unit: "make_tool",
		Description: "Keep a program that works as a tool, for later tasks too. Try it with run_code first. In it `input` is what the tool is called with.",
		Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z][a-z0-9]{0,39}$"},"description":{"type":"string","minLength":1,"maxLength":1000,"description":"one sentence: what it does"},
			"input":{"type":"object","description":"JSON Schema of its input, an object"},"code":{"type":"string","minLength":1,"maxLength":65536,"description":"the body of an async function with tools, console and input"}},"required":["name","description","input","code"],"additionalProperties":false}`),
	}, func(ctx context.Context, input json.RawMessage, call string) (json.RawMessage, error) {
		var in made
		if err := json.Unmarshal(input, &in); err != nil || !madeName.MatchString(in.Name) {
			return nil, fault.New(fault.Invalid, "a tool has a name of small letters and digits, a description, an input and code")
		}
		return s.keep(ctx, in, calls, call)
	}}
}

func (s *stint) keep(ctx context.Context, in made, calls map[string]string, call string) (json.RawMessage, error) {
	var schema struct{ Type string }
	if json.Unmarshal(in.Input, &schema) != nil || schema.Type != "object" {
		return nil, fault.New(fault.Invalid, "the input of a tool is a JSON Schema of an object").WithHint(`write {"type":"object","properties":{…}}`)
	}
	spec := &bundle.PipelineSpec{Calls: map[string]string{}}
	var names []string
	for name, ref := range calls {
		spec.Calls[name+"."] = ref
		names = append(names, name)
	}
	code, err := s.a.Program(in.Code, names)
	if err != nil {
		return nil, err
	}
	unit := "made." + in.Name
	b, err := s.a.Keep(ctx, ownManifest(registry.Own+"/"+in.Name, bundle.Unit{Name: unit, Kind: bundle.Pipeline, Description: in.Description,
		Entry: &bundle.Entry{Code: "code/program.js", Export: "Program", Method: "run"}, Pipeline: spec,
		Input: in.Input, Output: json.RawMessage("{}")}), map[string][]byte{"code/program.js": code})
	if err != nil {
		return nil, err
	}
	ref := string(b.Digest) + "#" + unit
	if err := s.d.job.Remember("found/"+call, []hit{{unit, ref}}); err != nil {
		return nil, err
	}
	if err := s.d.emit("tool.made", map[string]string{"call": call, "unit": unit, "bundle": string(b.Digest), "version": b.Name + "@" + b.Version}); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"kept": unit, "version": fmt.Sprintf("%s@%s", b.Name, b.Version)})
}
