package bundle

import (
	"encoding/json"
	"slices"
	"strings"
)

// Digest names a bundle: "sha256:" and the 64 hex digits of the sha256 of its
// manifest.json, byte for byte as packed.
type Digest string

// Valid: "sha256:" and 64 lower-case hex digits.
func (d Digest) Valid() bool {
	digits, ok := strings.CutPrefix(string(d), "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Kind of a unit.
type Kind string

const (
	Tool     Kind = "tool"
	Agent    Kind = "agent"
	Team     Kind = "team"
	Pipeline Kind = "pipeline"
)

// Manifest is manifest.json, the first entry of every bundle. It lists the
// sha256 of every other file, so its own sha256 names the whole. The spec with
// every field is docs/spec/bundle.md.
type Manifest struct {
	Aria        string `json:"aria"` // format version, "1"
	Name        string `json:"name"` // "orders" or "acme/orders"
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`

	Builder Builder `json:"builder"`
	Units   []Unit  `json:"units"` // sorted by name
	// Defs are the shared schemas that the units' schemas name as #/$defs/X.
	Defs         map[string]json.RawMessage `json:"$defs,omitempty"`
	Permissions  Permissions                `json:"permissions"`
	Dependencies []Dependency               `json:"dependencies,omitempty"`
	// Pins say which versions of other bundles it was built with, sorted by
	// bundle, then range.
	Pins  []Pin           `json:"pins,omitempty"`
	Files map[string]File `json:"files"` // every other entry, by path
}

// Builder says what made the bundle.
type Builder struct {
	Arc        string `json:"arc"`
	TypeScript string `json:"typescript"`
	Esbuild    string `json:"esbuild"`
	Bun        string `json:"bun,omitempty"` // evaluated schemas that are values
}

// Permissions is the union of what the units state, for people and for policy.
type Permissions struct {
	Tokens []TokenUse `json:"tokens,omitempty"` // sorted by token
	// Imports are the runtime modules that stay outside the bundle: "node:fs".
	Imports []string `json:"imports,omitempty"`
}

// TokenUse is one permission and the places in the source that ask for it.
type TokenUse struct {
	Token string  `json:"token"` // canonical form
	Where []Place `json:"where,omitempty"`
}

// Place is a position in the author's source: 1-based line and column.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// Dependency is an npm package whose code is in the bundle.
type Dependency struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	License string `json:"license,omitempty"`
}

// File is one packed file.
type File struct {
	Size   int64  `json:"size"`
	Sha256 string `json:"sha256"` // 64 hex digits
}

// Unit is one tool, agent, team or pipeline.
type Unit struct {
	Name        string `json:"name"` // "orders.get", "support"
	Kind        Kind   `json:"kind"`
	Description string `json:"description,omitempty"`
	Deprecated  string `json:"deprecated,omitempty"`
	Place       Place  `json:"place"`

	// Entry says how to run it: tools and pipelines have one, agents and teams
	// have none.
	Entry *Entry `json:"entry,omitempty"`
	// Params are the names of a tool's parameters in order: the input schema is
	// one object, the harness calls with positions. Rest: the last one spreads.
	Params []string `json:"params,omitempty"`
	Rest   bool     `json:"rest,omitempty"`
	// Input and Output are JSON Schema 2020-12; $refs point into Defs.
	Input  json.RawMessage `json:"input"`
	Output json.RawMessage `json:"output"`
	// Reflected: those of the two that were not derived from types but taken from
	// a value of the source, by running it at build time.
	Reflected *Reflected `json:"reflected,omitempty"`

	Tokens []string `json:"tokens,omitempty"` // canonical, sorted
	Limits Limits   `json:"limits,omitzero"`

	Retries    int  `json:"retries,omitempty"`
	Idempotent bool `json:"idempotent,omitempty"`
	// Approve: another run may start it only when a person agrees; Approval says
	// more of that.
	Approve  bool      `json:"approve,omitempty"`
	Approval *Approval `json:"approval,omitempty"`

	Trigger     *Trigger     `json:"trigger,omitempty"`
	Concurrency *Concurrency `json:"concurrency,omitempty"`

	Agent    *AgentSpec    `json:"agent,omitempty"`
	Team     *TeamSpec     `json:"team,omitempty"`
	Pipeline *PipelineSpec `json:"pipeline,omitempty"`
}

// Approval of a unit by a person.
type Approval struct {
	Role      string `json:"role,omitempty"`      // who may agree; "": approver
	TimeoutMS int64  `json:"timeoutMs,omitempty"` // 0: waits for ever
}

// Reflected says where schemas come from that are values. The value is in the
// code, and the harness checks with it too.
type Reflected struct {
	// Input: the whole input is the one argument.
	Input  *SchemaValue `json:"input,omitempty"`
	Output *SchemaValue `json:"output,omitempty"`
}

// SchemaValue is one Standard Schema value.
type SchemaValue struct {
	Vendor    string `json:"vendor"`    // "zod", as the value says itself
	Converter string `json:"converter"` // what wrote it as JSON Schema: "standard", "zod", "@valibot/to-json-schema"
	Place     Place  `json:"place"`
}

// Entry names code in the bundle.
type Entry struct {
	Code   string `json:"code"`             // "code/orders.js", the map beside it is "code/orders.js.map"
	Export string `json:"export"`           // exported class or function
	Method string `json:"method,omitempty"` // empty: Export is a function
}

// MostGraceMS bounds Limits.GraceMS.
const MostGraceMS = 60_000

// Limits of one execution; zero means the engine's default.
type Limits struct {
	TimeoutMS int64 `json:"timeoutMs,omitempty"`
	// GraceMS is how long it may take to end by itself when it is stopped; 0: it ends
	// at once, nil: the engine's default.
	GraceMS     *int64 `json:"graceMs,omitempty"`
	MemoryBytes int64  `json:"memoryBytes,omitempty"`
	CPUMillis   int64  `json:"cpuMillis,omitempty"` // 1000 = one core
}

// AgentSpec is what @agent says.
type AgentSpec struct {
	Model        string   `json:"model"` // "openai:gpt-4o-mini", "local:planner"
	Instructions string   `json:"instructions,omitempty"`
	Tools        []string `json:"tools,omitempty"` // unit names of this bundle, or "acme/search@^1#web"
	MaxSteps     int      `json:"maxSteps,omitempty"`
	Budget       Budget   `json:"budget,omitzero"`
	// Memory: it has tools to remember things of its user.
	Memory bool `json:"memory,omitempty"`
	// Code: its model writes programs that call the tools.
	Code bool `json:"code,omitempty"`
}

// Budget bounds one run and all that it calls together; zero is no bound of that
// sort.
type Budget struct {
	USD    float64 `json:"usd,omitempty"`
	Tokens int64   `json:"tokens,omitempty"`
	TimeMS int64   `json:"timeMs,omitempty"`
	Steps  int     `json:"steps,omitempty"` // turns of models
}

// TeamSpec is what @team says.
type TeamSpec struct {
	Members  []string `json:"members"`
	Lead     string   `json:"lead,omitempty"`
	Mode     string   `json:"mode"`               // lead | parallel | sequence | vote | handoff
	MaxTurns int      `json:"maxTurns,omitempty"` // of the lead; of mode handoff: hand-overs
	Budget   Budget   `json:"budget,omitzero"`
	// Scratchpad: the members share notes.
	Scratchpad bool `json:"scratchpad,omitempty"`
}

// PipelineSpec is what @pipeline and @step say. Without steps the unit's Entry
// is its run() method.
type PipelineSpec struct {
	Steps []Step   `json:"steps,omitempty"` // in source order
	Uses  []string `json:"uses,omitempty"`  // units reached through use()
	// Calls says which unit a call through use() is: by class and method as the
	// code has them, "Orders.get", and "Support.run" for an agent.
	Calls map[string]string `json:"calls,omitempty"`
	// On to HTTP are read from bundles of before Unit.Trigger, and not written.
	On    string `json:"on,omitempty"`
	Every string `json:"every,omitempty"`
	Cron  string `json:"cron,omitempty"`
	HTTP  string `json:"http,omitempty"`
}

// Step is one method of a pipeline.
type Step struct {
	Name      string          `json:"name"`
	After     []string        `json:"after,omitempty"`
	Retries   int             `json:"retries,omitempty"`
	TimeoutMS int64           `json:"timeoutMs,omitempty"`
	When      string          `json:"when,omitempty"` // runs only if this step's result is truthy
	Each      string          `json:"each,omitempty"` // runs once for every element of this step's result
	Undo      string          `json:"undo,omitempty"` // method that undoes it when the pipeline fails later
	Join      bool            `json:"join,omitempty"` // runs even where a step before it was skipped
	Output    json.RawMessage `json:"output,omitempty"`
	Place     Place           `json:"place"`
}

// Needs are the steps that must be done before it.
func (s Step) Needs() []string {
	out := slices.Clone(s.After)
	for _, n := range []string{s.When, s.Each} {
		if n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Unit finds a unit by name.
func (m *Manifest) Unit(name string) (*Unit, bool) {
	for i := range m.Units {
		if m.Units[i].Name == name {
			return &m.Units[i], true
		}
	}
	return nil, false
}
