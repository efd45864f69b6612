package api

import (
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

func wireBundle(b registry.Bundle) (*ariav1.Bundle, error) {
	w := &ariav1.Bundle{Digest: string(b.Digest), Name: b.Name, Version: b.Version, Size: b.Size,
		UploadedUnixMs: b.Uploaded.UnixMilli(), Mode: ariav1.IntakeMode_INTAKE_MODE_REGISTER}
	if b.Mode == registry.Isolated {
		w.Mode = ariav1.IntakeMode_INTAKE_MODE_ISOLATED
	}
	for _, u := range b.Units() {
		wu, err := wireUnit(u)
		if err != nil {
			return nil, err
		}
		w.Units = append(w.Units, wu)
	}
	for _, t := range b.Manifest.Permissions.Tokens {
		w.Tokens = append(w.Tokens, t.Token)
	}
	return w, nil
}

func wireUnit(u registry.Unit) (*ariav1.Unit, error) {
	in, err := u.Schema(u.Input)
	if err != nil {
		return nil, err
	}
	out, err := u.Schema(u.Output)
	if err != nil {
		return nil, err
	}
	return &ariav1.Unit{Name: u.Name, Kind: string(u.Kind), Bundle: u.Bundle, Version: u.Version, Digest: string(u.Digest),
		Description: u.Description, InputSchema: in, OutputSchema: out, Tokens: u.Tokens}, nil
}

func wireRun(r task.Run) *ariav1.Run {
	w := &ariav1.Run{Id: string(r.ID), Unit: r.Unit, Kind: string(r.Kind), Bundle: string(r.Bundle), State: string(r.State),
		Input: r.Input, Output: r.Output, Error: wireError(r.Error, r.ID), Parent: string(r.Parent),
		CreatedUnixMs: r.Created.UnixMilli(), LastSeq: r.LastSeq,
		Start: r.Start.How, StartTookUs: r.Start.TookUS}
	if !r.Ended.IsZero() {
		w.EndedUnixMs = r.Ended.UnixMilli()
	}
	return w
}
