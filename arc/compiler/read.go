package compiler

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/ariacomputecompany/firmware/arc/diag"
)

// input is a project as the later stages see it.
type input struct {
	Project
	paths  map[string][]string // tsconfig's, relative to Dir
	strict map[string]bool     // tsconfig's degrees of strictness
}

// read looks at what else of the project decides how it is compiled.
func read(p Project) (*input, []diag.Message, error) {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("project folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // both compilers name files by their real place
	}
	p.Dir = filepath.ToSlash(dir)
	p.Files = slices.Clone(p.Files)
	slices.Sort(p.Files)
	in := &input{Project: p}
	if len(p.Files) == 0 {
		return in, []diag.Message{{Severity: diag.Error, Code: "ARC1002", Text: "the project has no TypeScript files",
			Hint: "put one under src/, or name others with `entry` in aria.toml"}}, nil
	}
	msgs, err := in.readTSConfig()
	return in, msgs, err
}
