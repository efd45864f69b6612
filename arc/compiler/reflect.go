package compiler

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/arc/cell"
	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

// wanted is a schema that stands in the source as a value.
type wanted struct {
	unit, side string
	file       string // that exports it
	entry      bundle.Entry
	at         arctsc.Span
}

const hintReflect = "describe it with TypeScript types, which needs no code to run"

// schemaValues notes what a tool's mark has instead of types.
func (u *units) schemaValues(unit *bundle.Unit, o *options, file string) {
	for _, side := range []string{"input", "output"} {
		v, ok := o.get(side)
		if !ok {
			continue
		}
		if v.Kind != arctsc.Schema {
			o.fail(side, "write a schema of zod or another library of standardschema.dev")
			continue
		}
		u.wanted = append(u.wanted, wanted{unit.Name, side, file, *unit.Entry, v.At})
		if unit.Reflected == nil {
			unit.Reflected = &bundle.Reflected{}
		}
	}
}

// reflections remembers the last answer, for a watcher.
type reflections struct {
	module [sha256.Size]byte
	answer []byte
}

// reflect fills in the schemas that are values. It is the only stage that runs
// the author's code: in a cell, twice, and only where that was asked for.
func (u *units) reflect(ctx context.Context, o Options) (bun string, err error) {
	if len(u.wanted) == 0 {
		return "", nil
	}
	if o.Bun == "" {
		for _, w := range u.wanted {
			u.fail(w.at, "ARC5001", `"arc build --reflect" runs it in a sandbox, as does [build] reflect = true in aria.toml; or `+hintReflect,
				"the %s of %s is a schema value, and only running your code would show what it says", w.side, w.unit)
		}
		return "", nil
	}
	module, bad := u.module()
	if len(bad) > 0 {
		for _, m := range bad {
			u.msgs = append(u.msgs, bundlerMessage(m))
		}
		return "", nil
	}
	memo := o.memo
	if sum := sha256.Sum256(module); memo == nil || memo.module != sum || memo.answer == nil {
		answer, ok, err := u.evaluate(ctx, o.Bun, module)
		if err != nil || !ok {
			return "", err
		}
		memo = &reflections{sum, answer}
		if o.memo != nil {
			*o.memo = *memo
		}
	}
	return u.take(memo.answer)
}

//go:embed reflect.js
var reflectDriver string

// module is the project's code and the driver, in one file.
func (u *units) module() ([]byte, []api.Message) {
	var files []string
	var text, list strings.Builder
	text.WriteString("import { writeSync } from 'node:fs';\n")
	for _, w := range u.wanted {
		if !slices.Contains(files, w.file) {
			fmt.Fprintf(&text, "import * as m%d from %s;\n", len(files), quoted("./"+w.file))
			files = append(files, w.file)
		}
		of := fmt.Sprintf("m%d[%s]", slices.Index(files, w.file), quoted(w.entry.Export))
		if w.entry.Method != "" {
			of += ".prototype[" + quoted(w.entry.Method) + "]"
		}
		fmt.Fprintf(&list, "  { unit: %s, side: %s, of: () => %s },\n", quoted(w.unit), quoted(w.side), of)
	}
	tools := u.converters(&text)
	fmt.Fprintf(&text, "const tools = { %s };\nconst hints = %s;\nconst list = [\n%s];\n", strings.Join(tools, ", "), encodeHints, list.String())
	text.WriteString("const write = (s) => { for (let b = Buffer.from(s), at = 0; at < b.length; ) at += writeSync(3, b, at); };\n")
	text.WriteString(reflectDriver)

	b := bundling(u.in, nil)
	b.EntryPointsAdvanced, b.Splitting, b.Metafile, b.Sourcemap, b.SourcesContent = nil, false, false, api.SourceMapNone, api.SourcesContentInclude
	b.Stdin = &api.StdinOptions{Contents: text.String(), ResolveDir: u.in.Dir, Sourcefile: "reflect.js", Loader: api.LoaderJS}
	r := api.Build(b)
	if len(r.Errors) > 0 {
		return nil, r.Errors
	}
	return r.OutputFiles[0].Contents, nil
}

// What to do about a library that has no converter of its own.
const encodeHints = `{
  zod: 'zod 4 writes JSON Schema itself; beside zod 3 install zod-to-json-schema',
  valibot: 'install @valibot/to-json-schema beside it',
}`

// converters imports those packages that are there.
func (u *units) converters(text *strings.Builder) []string {
	var out []string
	for _, c := range []struct{ name, module, needs string }{
		{"zod", "zod/v4/core", "zod/v4/core"},
		{"zod3", "zod-to-json-schema", "zod-to-json-schema"},
		{"valibot", "@valibot/to-json-schema", "@valibot/to-json-schema"},
	} {
		if installedHere(u.in.Dir, c.needs) {
			fmt.Fprintf(text, "import * as %s from %s;\n", c.name, quoted(c.module))
			out = append(out, c.name)
		}
	}
	return out
}

func installedHere(dir, folder string) bool {
	for at := dir; ; at = path.Dir(at) {
		if st, err := os.Stat(at + "/node_modules/" + folder); err == nil && st.IsDir() {
			return true
		}
		if at == path.Dir(at) {
			return false
		}
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always has a form
	return string(b)
}

// evaluate runs the module twice and wants the same bytes.
func (u *units) evaluate(ctx context.Context, bun string, module []byte) (answer []byte, ok bool, err error) {
	var answers [2][]byte
	var errs [2]error
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() { answers[i], errs[i] = cell.Run(ctx, cell.Request{Bun: bun, Module: module}) })
	}
	both.Wait()
	for _, err := range errs {
		var failed *cell.Failed
		var refused *cell.Refused
		switch {
		case err == nil:
			continue
		case errors.As(err, &failed):
			u.fail(u.wanted[0].at, "ARC5002", "what a file does when it is imported runs here too, without network, files or environment",
				"the schemas cannot be read, because the code %s%s", failed.Why, saidBy(failed.Said))
		case errors.As(err, &refused):
			u.fail(u.wanted[0].at, "ARC5003", "arc runs nobody's code outside a sandbox: allow user namespaces, or "+hintReflect,
				"this machine allows no sandbox to read the schemas in (%v)", refused.Why)
		default:
			return nil, false, err
		}
		return nil, false, nil
	}
	if !bytes.Equal(answers[0], answers[1]) {
		u.fail(u.wanted[0].at, "ARC5004", "take time, chance and everything else that changes out of the schemas",
			"the schemas say something else each time they are read")
		return nil, false, nil
	}
	return answers[0], true, nil
}

// saidBy picks the line that says what went wrong out of what Bun printed.
func saidBy(said string) string {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "error: "); ok {
			return ": " + rest
		}
		if name, _, ok := strings.Cut(line, ": "); ok && strings.HasSuffix(name, "Error") && !strings.Contains(name, " ") {
			return ": " + line
		}
	}
	return ""
}

// reflection is one entry of the driver's answer.
type reflection struct {
	Unit, Side        string
	Vendor, Converter string
	Schema            json.RawMessage
	Error, Hint       string
}

// take puts the answer into the units.
func (u *units) take(answer []byte) (bun string, err error) {
	var told struct {
		Bun     string       `json:"bun"`
		Schemas []reflection `json:"schemas"`
	}
	if err := json.Unmarshal(answer, &told); err != nil || len(told.Schemas) != len(u.wanted) {
		u.fail(u.wanted[0].at, "ARC5002", "nothing else may write to descriptor 3", "the schemas cannot be read, because the code gave no answer")
		return "", nil
	}
	for i, w := range u.wanted {
		u.takeOne(w, told.Schemas[i])
	}
	return told.Bun, nil
}

func (u *units) takeOne(w wanted, r reflection) {
	unit := u.unit(w.unit)
	if unit == nil { // refused for another reason
		return
	}
	if r.Error != "" {
		u.fail(w.at, "ARC5005", first(r.Hint, hintReflect), "the %s of %s cannot be written as JSON Schema: %s", w.side, w.unit, firstLine(r.Error))
		return
	}
	schema, why := u.foreign(w, r.Schema)
	if why != "" {
		u.fail(w.at, "ARC5005", hintReflect, "the %s of %s cannot be used: %s", w.side, w.unit, why)
		return
	}
	value := &bundle.SchemaValue{Vendor: r.Vendor, Converter: r.Converter, Place: bundle.Place{File: w.at.File, Line: w.at.Line, Col: w.at.Col}}
	if w.side == "input" {
		unit.Input, unit.Reflected.Input = schema, value
	} else {
		unit.Output, unit.Reflected.Output = schema, value
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// reflectStage is reflect as a stage of a build.
func reflectStage(ctx context.Context, u *units, o Options, res *Result) (bun string, err error) {
	before := len(u.msgs)
	bun, err = u.reflect(ctx, o)
	res.Messages = diag.Sort(append(res.Messages, u.msgs[before:]...))
	return bun, err
}
