package compiler

import (
	"encoding/json"
	"errors"
	"fmt"
	strict "github.com/go-json-experiment/json" // names are told apart by case, and stand once
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/compiler/jsonc"
	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/arc/file"
)

// tsconfig is the part of a tsconfig.json that decides something here: paths, and
// how strict TypeScript is. Everything else is the same for every project (ES
// modules, standard decorators, the library of the container).
type tsconfig struct {
	Extends         any                        `json:"extends"` // a string or a list
	CompilerOptions map[string]json.RawMessage `json:"compilerOptions"`
}

// strictness are the options that a project may choose. strictNullChecks is not
// among them: without it null and undefined vanish from the types.
var strictness = []string{
	"noImplicitAny", "noImplicitThis", "strictBindCallApply", "strictBuiltinIteratorReturn", "strictFunctionTypes",
	"strictPropertyInitialization", "useUnknownInCatchVariables",
	"exactOptionalPropertyTypes", "noFallthroughCasesInSwitch", "noImplicitOverride", "noImplicitReturns",
	"noPropertyAccessFromIndexSignature", "noUncheckedIndexedAccess", "noUnusedLocals", "noUnusedParameters",
}

// byStrict are those of them that `strict` speaks for.
const byStrict = 7

// maxExtends bounds a chain of tsconfig files.
const maxExtends = 20

func (in *input) readTSConfig() ([]diag.Message, error) {
	in.strict = map[string]bool{}
	err := in.extend(filepath.Join(in.Dir, "tsconfig.json"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var told configProblem
	if errors.As(err, &told) {
		return []diag.Message{diag.Message(told)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tsconfig.json: %w", err)
	}
	if on, ok := in.strict["strictNullChecks"]; ok && !on {
		delete(in.strict, "strictNullChecks")
		return []diag.Message{{Severity: diag.Warning, Code: "ARC1043", Place: diag.Place{File: "tsconfig.json"},
			Text: "strictNullChecks is off, but arc checks with it on: without it null and undefined vanish from the schemas",
			Hint: "set strictNullChecks or strict to true, so that your editor says what arc says"}}, nil
	}
	delete(in.strict, "strictNullChecks")
	return nil, nil
}

// configProblem is a complaint on its way up.
type configProblem diag.Message

func (p configProblem) Error() string { return p.Text }

func configFault(code string, at diag.Place, line, text, hint string) error {
	return configProblem{Severity: diag.Error, Code: code, Place: at, LineText: line, Text: text, Hint: hint}
}

// extend reads one file after those that it extends, so that it has the last word.
func (in *input) extend(path string, depth int) error {
	raw, err := file.Read(path, in.relative(path), file.Small)
	if err != nil {
		return err
	}
	name := in.relative(path)
	var c tsconfig
	if strict.Unmarshal(jsonc.Plain(raw), &c) != nil {
		return configFault("ARC1003", diag.Place{File: name}, "",
			name+" cannot be read as JSON with comments", "mend it, or delete it: arc does not need one")
	}
	for _, base := range bases(c.Extends) {
		from, ok := findConfig(filepath.Dir(path), base)
		if !ok || depth >= maxExtends {
			at, line := findLine(string(raw), name, `"extends"`)
			return configFault("ARC1003", at, line, fmt.Sprintf("%q, which %s extends, is not there", base, name),
				"install the package it comes from, or correct the path")
		}
		if err := in.extend(from, depth+1); err != nil {
			return err
		}
	}
	return in.take(c, path, name, string(raw))
}

func (in *input) take(c tsconfig, file, name, raw string) error {
	flag := func(option string) (value, ok bool) {
		ok = json.Unmarshal(c.CompilerOptions[option], &value) == nil
		return value, ok
	}
	if on, _ := flag("experimentalDecorators"); on {
		at, line := findLine(raw, name, `"experimentalDecorators"`)
		return configFault("ARC1004", at, line, "experimentalDecorators asks for the old decorators; aria uses the standard ones", "remove the line")
	}
	if on, ok := flag("strict"); ok {
		for _, option := range append([]string{"strictNullChecks"}, strictness[:byStrict]...) {
			in.strict[option] = on
		}
	}
	for _, option := range append([]string{"strictNullChecks"}, strictness...) {
		if on, ok := flag(option); ok {
			in.strict[option] = on
		}
	}
	var paths map[string][]string
	if json.Unmarshal(c.CompilerOptions["paths"], &paths) != nil || len(paths) == 0 {
		return nil
	}
	for _, targets := range paths { // they are relative to the file they stand in
		for i, t := range targets {
			if !filepath.IsAbs(t) {
				t = filepath.Join(filepath.Dir(file), t)
			}
			if t = in.relative(t); !strings.HasPrefix(t, "../") {
				t = "./" + t
			}
			targets[i] = t
		}
	}
	in.paths = paths
	return nil
}

func (in *input) relative(file string) string {
	if rel, err := filepath.Rel(in.Dir, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(file)
}

func bases(extends any) []string {
	switch x := extends.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, v := range x {
			if s, ok := v.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// findConfig finds what `extends` names: a path, or a file of a package.
func findConfig(dir, name string) (string, bool) {
	try := func(base string) (string, bool) {
		for _, f := range []string{base, base + ".json", filepath.Join(base, "tsconfig.json")} {
			if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
				return f, true
			}
		}
		return "", false
	}
	if strings.HasPrefix(name, ".") || filepath.IsAbs(name) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return try(name)
	}
	for {
		if f, ok := try(filepath.Join(dir, "node_modules", name)); ok {
			return f, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
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
