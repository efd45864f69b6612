package execution

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

//go:embed code.js
var codeEntry []byte

// Code is a program that a model wrote.
type Code struct {
	Name   string // unique in the run
	Source string // TypeScript: the body of an async function that has tools
	// Calls are what it may call, by the name in tools: references to units.
	Calls   map[string]string
	Timeout time.Duration // 0: a minute
}

// MaxCode bounds a program, in bytes.
const MaxCode = 64 << 10

// Program is the file of a unit that runs a program again and again: class Program,
// method run. names are what it may call.
func Program(source string, names []string) ([]byte, error) {
	if len(source) > MaxCode {
		return nil, fault.New(fault.Invalid, "the program has %d bytes, and the most is %d", len(source), MaxCode).WithHint("write a shorter one")
	}
	slices.Sort(names)
	text, err := json.Marshal([]any{source, names})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(slices.Clip(codeEntry), "\nconst made = %s;\nexport class Program {\n  async run(input) { return (await run(made[0], made[1], input)).result; }\n}\n", text), nil
}

// codeTimeout is how long a program may run, unless it waits for what it calls.
const codeTimeout = time.Minute

// Code runs a program once, in a fresh container that holds no token: what it can
// do is what it calls, and each of those is a run of its own. The result is
// {result, log}. Errors are the program's own, Invalid where it does not compile.
func (x *Executor) Code(ctx context.Context, job task.Job, c Code) (json.RawMessage, error) {
	if len(c.Source) > MaxCode {
		return nil, fault.New(fault.Invalid, "the program has %d bytes, and the most is %d", len(c.Source), MaxCode).WithHint("write a shorter one")
	}
	b, err := x.reg.Open(job.Unit.Digest)
	if err != nil {
		return nil, err
	}
	unit := registry.Unit{Digest: job.Unit.Digest, Bundle: job.Unit.Bundle, Version: job.Unit.Version,
		Unit: &bundle.Unit{Name: job.Unit.Name + ".code", Kind: bundle.Tool,
			Entry: &bundle.Entry{Code: "code/program.js", Export: "run"}, Output: json.RawMessage("{}")}}
	p := &plan{unit: unit, bundle: b, calls: c.Calls, files: []tokenapi.File{{Path: unit.Entry.Code, Content: codeEntry}}}
	if p.calls == nil {
		p.calls = map[string]string{}
	}
	if p.output, err = newShape(unit, "output", unit.Output); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = codeTimeout
	}
	req, err := p.call("", []any{c.Source, slices.Sorted(maps.Keys(c.Calls))}, nil, c.Timeout)
	if err != nil {
		return nil, err
	}
	never := func(tokenapi.Ended, error, bool) int { return 0 }
	out, err := x.attempts(ctx, job, p, piece{name: c.Name, output: p.output, retries: never}, req)
	return out.Output, err
}

// program answers a call of a program: tools take one object, as the model writes it.
func (d *durable) program(ctx context.Context, name string, args []any, call string) (json.RawMessage, error) {
	ref := d.p.calls[name]
	if ref == "" {
		return nil, fault.New(fault.Denied, "this program may not call %q", name).WithHint("it has: %v", slices.Sorted(maps.Keys(d.p.calls)))
	}
	var input any = map[string]any{}
	if len(args) > 0 {
		input = args[0]
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	out, err := d.job.Invoke(ctx, ref, raw, call)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"value": out})
}
