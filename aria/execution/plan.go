package execution

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// plan is what running a unit needs and what stays the same from run to run.
type plan struct {
	unit   registry.Unit
	bundle *bundle.Bundle
	input  *shape
	output *shape
	files  []tokenapi.File
	calls  map[string]string // of a program that a model wrote: what it may call; else nil
}

// maxPlans bounds the cache.
const maxPlans = 128

func (x *Executor) plan(u registry.Unit) (*plan, error) {
	x.mu.Lock()
	p := x.plans[u.Ref()]
	x.mu.Unlock()
	if p != nil {
		return p, nil
	}
	b, err := x.reg.Open(u.Digest)
	if err != nil {
		return nil, err
	}
	p = &plan{unit: u, bundle: b}
	if p.input, err = newShape(u, "input", u.Input); err != nil {
		return nil, err
	}
	if p.output, err = newShape(u, "output", u.Output); err != nil {
		return nil, err
	}
	if u.Entry != nil {
		if p.files, err = code(b, u.Entry.Code); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.plans) >= maxPlans {
		clear(x.plans)
	}
	x.plans[u.Ref()] = p
	return p, nil
}

// request is the execution of a job, still without its id.
func (p *plan) request(job task.Job) (tokenapi.Request, error) {
	if p.unit.Entry == nil {
		return tokenapi.Request{}, fault.New(fault.Unimplemented, "%s has no code to run", p.unit.Name)
	}
	value, err := decode(job.Input)
	if err != nil {
		return tokenapi.Request{}, fmt.Errorf("input of %s: %w", job.Run, err)
	}
	if p.unit.Kind != bundle.Tool {
		return p.call(p.unit.Entry.Method, []any{value}, p.input.whole(0, value), 0)
	}
	args, names := positions(p.unit.Unit, value)
	return p.call(p.unit.Entry.Method, args, p.input.revive(args, names), 0)
}

// call is the execution of one method with positional arguments. A timeout of 0
// is the unit's own.
func (p *plan) call(method string, args []any, rich []place, timeout time.Duration) (tokenapi.Request, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return tokenapi.Request{}, fmt.Errorf("arguments of %s: %w", p.unit.Name, err)
	}
	var revive json.RawMessage
	if len(rich) > 0 {
		if revive, err = json.Marshal(rich); err != nil {
			return tokenapi.Request{}, fmt.Errorf("arguments of %s: %w", p.unit.Name, err)
		}
	}
	u := p.unit
	if timeout == 0 {
		timeout = time.Duration(u.Limits.TimeoutMS) * time.Millisecond
	}
	return tokenapi.Request{
		Unit: u.Name, Tokens: u.Tokens, Files: p.files,
		Standing: tokenapi.Standing{Bundle: string(u.Digest), Package: p.bundle.Manifest.Name},
		Entry:    u.Entry.Code, Export: u.Entry.Export, Method: method, Args: raw, Revive: revive,
		Limits: tokenapi.Limits{Memory: u.Limits.MemoryBytes, CPUMillis: u.Limits.CPUMillis, Wall: timeout, Grace: grace(u.Limits.GraceMS)},
	}, nil
}

// grace is a unit's own; nil: it says none.
func grace(ms *int64) *time.Duration {
	if ms == nil {
		return nil
	}
	d := time.Duration(*ms) * time.Millisecond
	return &d
}

// positions turns the input object into positional arguments. Absent ones at
// the end are left out; an absent one before a present one is null, since JSON
// has no undefined. Each argument comes with the schema path it stands under.
func positions(u *bundle.Unit, input any) (args []any, paths [][]string) {
	if u.Reflected != nil && u.Reflected.Input != nil { // the schema describes the one argument
		return []any{input}, [][]string{{}}
	}
	args = []any{}
	object, _ := input.(map[string]any)
	for i, name := range u.Params {
		v, ok := object[name]
		if u.Rest && i == len(u.Params)-1 {
			list, _ := v.([]any)
			for j, item := range list {
				args = append(args, item)
				paths = append(paths, []string{name, fmt.Sprint(j)})
			}
			break
		}
		if !ok && !later(u.Params[i+1:], object) {
			break
		}
		args = append(args, v)
		paths = append(paths, []string{name})
	}
	return args, paths
}

func later(names []string, object map[string]any) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := object[n]; return ok })
}

// importing finds every text in code that could name another file of it. To
// take one too many costs a file, to miss one costs the run.
var importing = regexp.MustCompile(`["'](\.{1,2}/[^"'\n\\]+\.m?js)["']`)

// code is the entry and every file it can import.
func code(b *bundle.Bundle, entry string) ([]tokenapi.File, error) {
	all := map[string]bool{}
	for name := range b.Manifest.Files {
		all[name] = true
	}
	var out []tokenapi.File
	queue, seen := []string{entry}, map[string]bool{entry: true}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		content, err := b.File(name)
		if err != nil {
			return nil, err
		}
		out = append(out, tokenapi.File{Path: name, Content: content})
		for _, m := range importing.FindAllSubmatch(content, -1) {
			next := path.Join(path.Dir(name), string(m[1]))
			if all[next] && !seen[next] && strings.HasPrefix(next, "code/") {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return out, nil
}
