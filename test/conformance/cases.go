package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/compiler"
	"github.com/ariacomputecompany/firmware/arc/diag"
)

// Case is one program of the outside set: a folder with main.ts and schema.json.
type Case struct {
	Name string
	Dir  string
	Type string // the root type; "*" for every definition
}

// Find gives the folder of the data: $ARIA_CONFORMANCE, or what lies beside the
// repository at top. ok is false if there is none.
func Find(top string) (dir string, ok bool) {
	for _, d := range []string{os.Getenv("ARIA_CONFORMANCE"), filepath.Join(top, "../shared/conformance"), filepath.Join(top, "../../shared/conformance")} {
		if d == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "typescript-json-schema/cases.tsv")); err == nil {
			return d, true
		}
	}
	return "", false
}

// Cases reads the list of the data in dir, in its order.
func Cases(dir string) ([]Case, error) {
	root := filepath.Join(dir, "typescript-json-schema")
	raw, err := os.ReadFile(filepath.Join(root, "cases.tsv"))
	if err != nil {
		return nil, fmt.Errorf("conformance data: %w", err)
	}
	var out []Case
	for line := range strings.Lines(string(raw)) {
		if f := strings.Split(strings.TrimRight(line, "\r\n"), "\t"); len(f) >= 2 {
			out = append(out, Case{Name: f[0], Type: f[1], Dir: filepath.Join(root, "test/programs", f[0])})
		}
	}
	return out, nil
}

func (c Case) schema() (map[string]any, error) {
	raw, err := os.ReadFile(filepath.Join(c.Dir, "schema.json"))
	if err != nil {
		return nil, fmt.Errorf("conformance data: %w", err)
	}
	return parse(raw)
}

// roots are the types to compare.
func (c Case) roots() []string {
	if c.Type != "*" {
		return []string{c.Type}
	}
	s, err := c.schema()
	if err != nil {
		return []string{c.Type} // expected says so
	}
	defs, _ := s["definitions"].(map[string]any)
	var out []string
	for name := range defs {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// expected is the outside schema of one root.
func (c Case) expected(root string) (map[string]any, error) {
	s, err := c.schema()
	if err != nil || c.Type != "*" {
		return s, err
	}
	return map[string]any{"$schema": s["$schema"], "definitions": s["definitions"], "$ref": "#/definitions/" + root}, nil
}

// A case goes the way of a user's type: it is the parameter or the result of a
// tool.
const (
	take = `
import { tool as ariaTake } from '@aria/sdk';
export class AriaTake { @ariaTake() async value(value: TYPE): Promise<void> {} }
`
	give = `
import { tool as ariaGive } from '@aria/sdk';
export class AriaGive { @ariaGive() async value(): Promise<TYPE> { throw new Error(); } }
`
)

// The outside programs are written for an older and looser TypeScript, so their
// own mistakes are passed over; the types are read as strictly as everybody's.
const (
	tsconfig = `{"compilerOptions":{"noImplicitAny":false}}`
	loose    = "// @ts-nocheck\n"
)

// oldNamespace is a keyword that TypeScript has dropped since.
var oldNamespace = regexp.MustCompile(`(?m)^(\s*(?:export\s+|declare\s+)*)module(\s+\w)`)

// derive gives our schema of one root, or the compiler's first complaint. What
// comes in refuses unknown members and what goes out allows them, so that the
// form depends on whether theirs is closed. A class with methods can only go out;
// its schema is closed afterwards.
func (c Case) derive(root string, closed bool) (schema map[string]any, complaint string, err error) {
	if !closed {
		return c.compile(root, give)
	}
	schema, complaint, err = c.compile(root, take)
	if strings.HasPrefix(complaint, "ARC2004") {
		if schema, complaint, err = c.compile(root, give); schema != nil {
			closeUp(schema)
		}
	}
	return schema, complaint, err
}

func (c Case) compile(root, wrapper string) (schema map[string]any, complaint string, err error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	files, err := c.project(dir, root, wrapper)
	if err != nil {
		return nil, "", err
	}
	res, err := compiler.Check(context.Background(), compiler.Options{Project: compiler.Project{Dir: dir, Name: "demo", Version: "1.0.0", Files: files}})
	if err != nil {
		return nil, "", err
	}
	for _, m := range res.Messages {
		if m.Severity == diag.Error {
			return nil, m.Code + " " + m.Text, nil
		}
	}
	u := res.Manifest.Units[0]
	if wrapper == give {
		schema, err = whole(u.Output, res.Manifest.Defs)
		return schema, "", err
	}
	var in struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(u.Input, &in); err != nil {
		return nil, "", err
	}
	schema, err = whole(in.Properties["value"], res.Manifest.Defs)
	return schema, "", err
}

// closeUp makes every object refuse the members it does not name.
func closeUp(v any) {
	switch x := v.(type) {
	case map[string]any:
		if _, open := x["additionalProperties"]; !open && x["type"] == "object" {
			x["additionalProperties"] = false
		}
		for _, m := range x {
			closeUp(m)
		}
	case []any:
		for _, m := range x {
			closeUp(m)
		}
	}
}

// whole puts a schema and the definitions it leads to in one document.
func whole(s json.RawMessage, defs map[string]json.RawMessage) (map[string]any, error) {
	out, err := parse(s)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(defs)
	if err != nil {
		return nil, err
	}
	if len(defs) > 0 {
		if out["$defs"], err = parse(raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// project writes the case as a project, with the other programs that it imports.
func (c Case) project(dir, root, wrapper string) ([]string, error) {
	programs := filepath.Dir(c.Dir)
	main := filepath.Join(c.Dir, "main.ts")
	own, err := os.ReadFile(main)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(programs, func(p string, d fs.DirEntry, err error) error {
		other := d != nil && d.IsDir() && filepath.Dir(p) == programs && p != c.Dir
		if err == nil && other && !strings.Contains(string(own), "../"+d.Name()+"/") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".ts") {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(programs, p)
		if err != nil {
			return err
		}
		text = oldNamespace.ReplaceAll(text, []byte("${1}namespace${2}"))
		if p == main {
			text, root = reachable(text, root)
			text = append(text, strings.ReplaceAll(wrapper, "TYPE", root)...)
		}
		to := filepath.Join(dir, "src", rel)
		return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, append([]byte(loose), text...), 0o644))
	})
	return []string{"src/" + c.Name + "/main.ts"}, errors.Join(err, os.WriteFile(filepath.Join(dir, "tsconfig.json"), []byte(tsconfig), 0o644))
}

var namespace = regexp.MustCompile(`(?m)^namespace (\w+) \{`)

// reachable exports a root type that stands hidden in a namespace.
func reachable(text []byte, root string) ([]byte, string) {
	hidden := regexp.MustCompile(`(?m)^([ \t]+)(interface|class|type) ` + regexp.QuoteMeta(root) + `\b`)
	space := namespace.FindSubmatch(text)
	if space == nil || !hidden.Match(text) {
		return text, root
	}
	return hidden.ReplaceAll(text, []byte("${1}export ${2} "+root)), string(space[1]) + "." + root
}
