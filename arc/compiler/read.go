package compiler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/diag"
)

// input is a project as the later stages see it.
type input struct {
	Project
	paths map[string][]string // tsconfig's
}

// read looks at what else of the project decides how it is compiled: of
// tsconfig.json only `paths` is taken, because everything else is the same for
// every project (strict, ES modules, standard decorators).
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
	return in, append(needless(in.Allow), msgs...), err
}

type tsconfig struct {
	CompilerOptions struct {
		Paths                  map[string][]string `json:"paths"`
		ExperimentalDecorators bool                `json:"experimentalDecorators"`
	} `json:"compilerOptions"`
}

func (in *input) readTSConfig() ([]diag.Message, error) {
	const name = "tsconfig.json"
	raw, err := os.ReadFile(filepath.Join(in.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	at := diag.Place{File: name}
	var c tsconfig
	if json.Unmarshal(withoutComments(raw), &c) != nil {
		return []diag.Message{{Severity: diag.Error, Code: "ARC1003", Place: at,
			Text: "tsconfig.json cannot be read as JSON with comments", Hint: "mend it, or delete it: arc does not need one"}}, nil
	}
	if c.CompilerOptions.ExperimentalDecorators {
		place, line := findLine(string(raw), name, `"experimentalDecorators"`)
		return []diag.Message{{Severity: diag.Error, Code: "ARC1004", Place: place, LineText: line,
			Text: "experimentalDecorators asks for the old decorators; aria uses the standard ones",
			Hint: "remove the line"}}, nil
	}
	in.paths = c.CompilerOptions.Paths
	return nil, nil
}

// findLine gives the place of the first line that holds text.
func findLine(all, file, text string) (diag.Place, string) {
	for i, line := range strings.Split(all, "\n") {
		if at := strings.Index(line, text); at >= 0 {
			return diag.Place{File: file, Line: i + 1, Col: at + 1, Length: len(text)}, line
		}
	}
	return diag.Place{File: file}, ""
}
