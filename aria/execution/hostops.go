package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// call runs another unit for the one that asks: what it stated with use(), and
// nothing else.
func (d *durable) call(ctx context.Context, raw json.RawMessage, name string) (json.RawMessage, error) {
	var a struct {
		Class, Method string
		Args          []any
	}
	if err := readArgs(raw, "run.call", &a); err != nil {
		return nil, err
	}
	if d.p.calls != nil {
		return d.program(ctx, a.Class, a.Args, name)
	}
	ref := ""
	if spec := d.p.unit.Pipeline; spec != nil {
		ref = spec.Calls[a.Class+"."+a.Method]
	}
	if ref == "" {
		return nil, fault.New(fault.Denied, "%s does not use %s.%s", d.p.unit.Name, a.Class, a.Method).
			WithHint("a pipeline reaches what it states with use(%s), as a field of its class", a.Class)
	}
	u, err := d.x.reg.ResolveFrom(d.job.Unit.Digest, ref)
	if err != nil {
		return nil, err
	}
	p, err := d.x.plan(u)
	if err != nil {
		return nil, err
	}
	var value any = inputOf(u.Unit, a.Args)
	if a.Method == "" && len(a.Args) > 0 { // a program that was kept: tools take one object
		value = a.Args[0]
	}
	input, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("input of %s: %w", ref, err)
	}
	out, err := d.job.Invoke(ctx, u.Ref(), input, name)
	if err != nil {
		return nil, err
	}
	got, err := decode(out)
	if err != nil {
		return nil, fmt.Errorf("output of %s: %w", ref, err)
	}
	return json.Marshal(map[string]any{"value": out, "revive": p.output.whole(0, got)})
}

// inputOf turns positional arguments into the input object, as positions does
// the other way round. Agents, teams and pipelines take one value.
func inputOf(u *bundle.Unit, args []any) any {
	if u.Kind != bundle.Tool {
		if len(args) == 0 {
			return map[string]any{}
		}
		return args[0]
	}
	object := map[string]any{}
	for i, name := range u.Params {
		if i >= len(args) {
			break
		}
		if u.Rest && i == len(u.Params)-1 {
			object[name] = args[i:]
			break
		}
		if args[i] != nil {
			object[name] = args[i]
		}
	}
	return object
}

// maxWait bounds waits: a hundred years, which no clock overflows.
const maxWait = 100 * 365 * 24 * time.Hour

func span(ms int64, what string) (time.Duration, error) {
	if ms < 0 || ms > maxWait.Milliseconds() {
		return 0, fault.New(fault.Invalid, "%d ms is no time to %s", ms, what).WithHint("give milliseconds from now")
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func (d *durable) approve(ctx context.Context, raw json.RawMessage, name string, park func()) (json.RawMessage, error) {
	var a struct {
		Role      string
		Data      json.RawMessage
		TimeoutMs int64
	}
	if err := readArgs(raw, "run.approve", &a); err != nil {
		return nil, err
	}
	if a.Role == "" || len(a.Role) > 200 {
		return nil, fault.New(fault.Invalid, "an approval names who may give it").WithHint(`write approval("role:finance", …)`)
	}
	w := task.Wait{Role: a.Role, Data: a.Data}
	if a.TimeoutMs != 0 {
		left, err := span(a.TimeoutMs, "wait")
		if err != nil {
			return nil, err
		}
		w.Due = time.Now().Add(left)
	}
	park()
	answer, err := d.job.Wait(ctx, name, w)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// briefly is a sleep that is not worth a row in the journal: it begins anew when
// the run is taken up.
const briefly = 500 * time.Millisecond

func (d *durable) sleep(ctx context.Context, raw json.RawMessage, name string, park func()) (json.RawMessage, error) {
	var a struct{ Ms int64 }
	if err := readArgs(raw, "run.sleep", &a); err != nil {
		return nil, err
	}
	left, err := span(a.Ms, "sleep")
	if err != nil {
		return nil, err
	}
	if left <= briefly {
		select {
		case <-time.After(left):
			return json.RawMessage("null"), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	park()
	_, err = d.job.Wait(ctx, name, task.Wait{Due: time.Now().Add(left)})
	return json.RawMessage("null"), err
}
