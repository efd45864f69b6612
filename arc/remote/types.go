package remote

import (
	"encoding/json"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Bundle is one stored bundle.
type Bundle struct {
	Digest   string    `json:"digest"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Mode     string    `json:"mode"` // register | isolated
	Size     int64     `json:"size"` // bytes
	Uploaded time.Time `json:"uploaded"`
	Tokens   []string  `json:"tokens"`
	Units    []Unit    `json:"units"`
}

// Unit is one registered tool, agent, team or pipeline.
type Unit struct {
	Name        string          `json:"name"`
	Kind        string          `json:"kind"`
	Bundle      string          `json:"bundle"`
	Version     string          `json:"version"`
	Digest      string          `json:"digest"`
	Description string          `json:"description,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`  // JSON Schema
	Output      json.RawMessage `json:"output,omitempty"` // JSON Schema
	Tokens      []string        `json:"tokens"`
}

// Run is one task's journaled life.
type Run struct {
	ID      string          `json:"id"`
	Unit    string          `json:"unit"`
	Kind    string          `json:"kind"`
	Bundle  string          `json:"bundle"` // digest
	State   string          `json:"state"`  // pending | running | done | failed | cancelled
	Input   json.RawMessage `json:"input,omitempty"`
	Output  json.RawMessage `json:"output,omitempty"`
	Error   *Problem        `json:"error,omitempty"`
	Parent  string          `json:"parent,omitempty"`
	Created time.Time       `json:"created"`
	Ended   *time.Time      `json:"ended,omitempty"`
	LastSeq uint64          `json:"lastSeq"`
	Start   string          `json:"start,omitempty"`       // how its first container began: cold | pooled | warm
	TookUS  int64           `json:"startTookUs,omitempty"` // until that was ready
}

// Problem is why a run did not end well. Code is one of docs/spec/errors.md.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Stack   string `json:"stack,omitempty"`
}

// Event is one thing that happened to a run; docs/spec/events.md lists them.
type Event struct {
	Run  string          `json:"run"`
	Seq  uint64          `json:"seq"` // 1, 2, 3 … without gaps
	Time time.Time       `json:"time"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

// Info is what an instance says about itself.
type Info struct {
	Server        string    `json:"server"`
	Version       string    `json:"version"`
	QuiltReady    bool      `json:"quiltReady"`
	QuiltProblem  string    `json:"quiltProblem,omitempty"`
	Isolation     string    `json:"isolation"`
	RunsOpen      int64     `json:"runsOpen"`
	Started       time.Time `json:"started"`
	PID           int64     `json:"pid"`
	Goroutines    int64     `json:"goroutines"`
	OpenFiles     int64     `json:"openFiles"`
	ResidentBytes int64     `json:"residentBytes"`
	PolicyFile    string    `json:"policyFile,omitempty"`
	PolicyProblem string    `json:"policyProblem,omitempty"` // why its newest text does not hold
}

func toBundle(b *ariav1.Bundle) Bundle {
	mode := "register"
	if b.GetMode() == ariav1.IntakeMode_INTAKE_MODE_ISOLATED {
		mode = "isolated"
	}
	out := Bundle{
		Digest: b.GetDigest(), Name: b.GetName(), Version: b.GetVersion(), Mode: mode,
		Size: b.GetSize(), Uploaded: millis(b.GetUploadedUnixMs()),
		Tokens: list(b.GetTokens()), Units: []Unit{},
	}
	for _, u := range b.GetUnits() {
		out.Units = append(out.Units, toUnit(u))
	}
	return out
}

func toUnit(u *ariav1.Unit) Unit {
	return Unit{
		Name: u.GetName(), Kind: u.GetKind(), Bundle: u.GetBundle(), Version: u.GetVersion(),
		Digest: u.GetDigest(), Description: u.GetDescription(),
		Input: raw(u.GetInputSchema()), Output: raw(u.GetOutputSchema()), Tokens: list(u.GetTokens()),
	}
}

func toRun(r *ariav1.Run) Run {
	out := Run{
		ID: r.GetId(), Unit: r.GetUnit(), Kind: r.GetKind(), Bundle: r.GetBundle(), State: r.GetState(),
		Input: raw(r.GetInput()), Output: raw(r.GetOutput()), Parent: r.GetParent(),
		Created: millis(r.GetCreatedUnixMs()), LastSeq: r.GetLastSeq(),
		Start: r.GetStart(), TookUS: r.GetStartTookUs(),
	}
	if ms := r.GetEndedUnixMs(); ms != 0 {
		t := millis(ms)
		out.Ended = &t
	}
	if e := r.GetError(); e != nil {
		out.Error = &Problem{Code: e.GetCode(), Message: e.GetMessage(), Hint: e.GetHint(), Stack: e.GetStack()}
	}
	return out
}

func toEvent(e *ariav1.Event) Event {
	return Event{
		Run: e.GetRun(), Seq: e.GetSeq(), Time: time.Unix(0, e.GetTimeUnixNano()).UTC(),
		Kind: e.GetKind(), Data: raw(e.GetData()),
	}
}

// raw passes JSON through; bytes that are not JSON become a JSON string, so
// that a result that embeds them can always be printed.
func raw(b []byte) json.RawMessage {
	if len(b) == 0 {
		return nil
	}
	if !json.Valid(b) {
		b, _ = json.Marshal(string(b))
	}
	return b
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func millis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
