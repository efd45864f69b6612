package compiler

import (
	"context"
	"os"
	"path"
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/sdk"
)

// sdkModule is what a project imports the SDK as.
const sdkModule = "@aria/sdk"

// checked is what TypeScript's compiler found.
type checked struct {
	facts   *arctsc.Facts
	msgs    []diag.Message
	timings Timings
}

func check(ctx context.Context, in *input) *checked {
	return checkedOf(arctsc.Analyze(ctx, in.forTypeScript()))
}

func (in *input) forTypeScript() arctsc.Input {
	files := in.declarations()
	for _, f := range in.Files {
		files = append(files, in.Dir+"/"+f)
	}
	return arctsc.Input{
		Dir: in.Dir, Files: files, Paths: in.paths, Strict: in.strict,
		SDK: sdkModule, Types: sdk.Types(), Ambient: sdk.Ambient(), Handles: handles,
	}
}

func checkedOf(facts *arctsc.Facts) *checked {
	c := &checked{facts: facts, timings: Timings{Parse: facts.Took.Parse, Check: facts.Took.Check, Extract: facts.Took.Extract}}
	for _, p := range facts.Problems {
		c.msgs = append(c.msgs, message(p))
	}
	return c
}

// declarations are the author's own .d.ts files, which stand beside the sources
// and which nothing imports.
func (in *input) declarations() []string {
	var out []string
	seen := map[string]bool{}
	for _, f := range in.Files {
		dir := path.Join(in.Dir, path.Dir(f))
		if seen[dir] {
			continue
		}
		seen[dir] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // the compiler says so, with the place
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".d.ts") {
				out = append(out, dir+"/"+e.Name())
			}
		}
	}
	return out
}

// hints for complaints of TypeScript that mean something of their own here.
var hints = map[string]string{
	"TS1206":  "decorators stand on classes and methods; describe a parameter with @param, and use tool.fn for a function",
	"TS2307":  "install it with your package manager, or check the path; modules of the platform need @types/bun or @types/node",
	"TS7016":  "install the package's types, or declare the module in a .d.ts file",
	"TS2580":  "a container has no process, require or Buffer of Node; use what @aria/sdk offers",
	"TS2584":  "a container has no page: there is no document or window",
	"TS2304":  "if it is a global of Bun or Node, install @types/bun; if it is yours, import it",
	"TS1208":  "every file needs an import or an export",
	"TS1240":  "a decorator of @aria/sdk cannot stand here",
	"TS18003": "put a .ts file under src/",
}

func message(p arctsc.Problem) diag.Message {
	m := diag.Message{Severity: severity(p), Code: p.Code, Text: p.Text, Place: place(p.At), LineText: p.At.LineText, Hint: p.Hint}
	if m.Hint == "" {
		m.Hint = hints[p.Code]
	}
	for _, n := range p.Notes {
		m.Notes = append(m.Notes, diag.Note{Text: n.Text, Place: place(n.At), LineText: n.At.LineText})
	}
	return m
}

func severity(p arctsc.Problem) diag.Severity {
	if p.Warning {
		return diag.Warning
	}
	return diag.Error
}

func place(s arctsc.Span) diag.Place {
	return diag.Place{File: s.File, Line: s.Line, Col: s.Col, Length: s.Length}
}
