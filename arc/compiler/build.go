package compiler

import (
	"context"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Build makes a bundle. An error is trouble with the machine; what is wrong with
// the project stands in Result.Messages.
func Build(ctx context.Context, o Options) (*Result, error) {
	return assemble(ctx, o, stages{check, emit})
}

// stages are the two halves of a build; a Session has its own.
type stages struct {
	check func(context.Context, *input) *checked
	emit  func(*input, []string) *emitted
}

func assemble(ctx context.Context, o Options, do stages) (*Result, error) {
	start := time.Now()
	in, msgs, err := read(o.Project)
	if err != nil || diag.HasErrors(msgs) {
		return &Result{Messages: msgs}, err
	}

	// Both halves read the same files and need nothing of each other.
	emitting := make(chan *emitted, 1)
	go func() { emitting <- do.emit(in, likelyEntries(in)) }()
	found := do.check(ctx, in)
	code := <-emitting

	res := &Result{Timings: found.timings}
	res.Timings.Emit = code.took
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Cancelled, "the build was stopped")
	}
	units := found.extract(in)
	res.Messages = diag.Sort(append(append(msgs, found.msgs...), units.msgs...))
	if diag.HasErrors(res.Messages) {
		return res, nil
	}
	if !code.covers(units.entries) {
		code = do.emit(in, units.entries)
		res.Timings.Emit += code.took
	}
	code.finish(in, units.entries)
	if res.Messages = diag.Sort(append(res.Messages, code.msgs...)); diag.HasErrors(res.Messages) {
		return res, nil
	}

	bun, err := reflectStage(ctx, units, o, res)
	if err != nil || diag.HasErrors(res.Messages) {
		return res, err
	}

	packing := time.Now()
	m := units.manifest(in)
	if o.Locked != nil {
		m.SetPins(o.Locked)
	}
	m.Builder.Bun = bun
	m.Permissions.Imports = code.imports
	m.Dependencies = code.deps
	files, outside, err := in.withSources(code, found.facts.Sources)
	if err != nil || len(outside) > 0 {
		res.Messages = diag.Sort(append(res.Messages, outside...))
		return res, err
	}
	if files[sbomFile], err = sbom(in, m); err != nil {
		return nil, err
	}
	res.Bundle, res.Digest, err = bundle.Pack(m, files)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	res.Manifest = m
	res.Timings.Pack = time.Since(packing)
	res.Timings.Total = time.Since(start)
	return res, nil
}

// Check says all that Build says and packs nothing.
func Check(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	in, msgs, err := read(o.Project)
	if err != nil || diag.HasErrors(msgs) {
		return &Result{Messages: msgs}, err
	}
	emitting := make(chan *emitted, 1)
	go func() { emitting <- emit(in, likelyEntries(in)) }()
	found := check(ctx, in)
	units := found.extract(in)
	res := &Result{Timings: found.timings, Messages: diag.Sort(append(append(msgs, found.msgs...), units.msgs...))}
	// The bundler says which imports a unit may not have; its code is dropped.
	if code := <-emitting; !diag.HasErrors(res.Messages) {
		if !code.covers(units.entries) {
			code = emit(in, units.entries)
		}
		code.finish(in, units.entries)
		res.Messages = diag.Sort(append(res.Messages, code.msgs...))
		res.Timings.Emit = code.took
	}
	if !diag.HasErrors(res.Messages) {
		if _, err := reflectStage(ctx, units, o, res); err != nil {
			return nil, err
		}
	}
	if !diag.HasErrors(res.Messages) {
		res.Manifest = units.manifest(in)
	}
	res.Timings.Total = time.Since(start)
	return res, nil
}
