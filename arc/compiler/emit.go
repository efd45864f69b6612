package compiler

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/bundle"
)

// esbuildVersion is that of go.mod; a test compares.
const esbuildVersion = "0.28.2"

// emitted is the JavaScript of some source files.
type emitted struct {
	entries []string
	result  api.BuildResult
	took    time.Duration

	// finish fills these with what the entries really need.
	files   map[string][]byte
	imports []string
	deps    []bundle.Dependency
	msgs    []diag.Message
}

// likelyEntries guesses which files hold code to run, so that the bundler need
// not wait for the check. A wrong guess costs time, never correctness.
func likelyEntries(in *input) []string {
	var out []string
	for _, f := range in.Files {
		text, err := file.Read(in.Dir+"/"+f, f, file.Large)
		if err == nil && bytes.Contains(text, []byte(sdkModule)) &&
			(bytes.Contains(text, []byte("tool")) || bytes.Contains(text, []byte("pipeline"))) {
			out = append(out, f)
		}
	}
	return out
}

// codePath is where the code of a source file lies in the bundle.
func codePath(file string) string {
	return "code/" + strings.TrimSuffix(strings.TrimPrefix(file, "src/"), path.Ext(file)) + ".js"
}

func fileStem(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

func emit(in *input, entries []string) *emitted {
	start := time.Now()
	e := &emitted{entries: entries}
	if len(entries) == 0 {
		return e
	}
	e.result = api.Build(bundling(in, entries))
	e.took = time.Since(start)
	return e
}

// bundling is what esbuild is asked to do.
func bundling(in *input, entries []string) api.BuildOptions {
	points := make([]api.EntryPoint, len(entries))
	for i, f := range entries {
		out := strings.TrimSuffix(strings.TrimPrefix(codePath(f), "code/"), ".js")
		points[i] = api.EntryPoint{InputPath: "./" + f, OutputPath: out}
	}
	return api.BuildOptions{
		AbsWorkingDir: in.Dir, EntryPointsAdvanced: points, Outdir: in.Dir + "/code",
		Bundle: true, Splitting: true, Write: false, Metafile: true, ChunkNames: "chunk-[hash]",
		Format: api.FormatESModule, Platform: api.PlatformNeutral, Target: api.ES2022,
		MainFields: []string{"module", "main"}, Conditions: []string{"bun", "import"},
		KeepNames: true, Charset: api.CharsetUTF8, LogLevel: api.LogLevelSilent,
		// A file that begins so is taken by Bun as it is: it does not transpile it
		// again, which saves a millisecond at every start.
		Banner:    map[string]string{"js": "// @bun"},
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
		// Ours, whatever the project's tsconfig says: the check assumed it too.
		TsconfigRaw: `{"compilerOptions":{"target":"es2022","useDefineForClassFields":true}}`,
		Plugins:     []api.Plugin{resolver(in), {Name: "fence", Setup: (&fence{dir: in.Dir}).guard}},
	}
}

func (e *emitted) covers(entries []string) bool {
	for _, f := range entries {
		if !slices.Contains(e.entries, f) {
			return false
		}
	}
	return true
}

// metafile is the part of esbuild's account that we read.
type metafile struct {
	Outputs map[string]struct {
		Inputs  map[string]struct{} `json:"inputs"`
		Imports []struct {
			Path     string `json:"path"`
			External bool   `json:"external"`
		} `json:"imports"`
	} `json:"outputs"`
}

// finish keeps what the entries reach and drops the rest.
func (e *emitted) finish(in *input, entries []string) {
	for _, m := range e.result.Errors {
		e.msgs = append(e.msgs, bundlerMessage(m))
	}
	e.msgs = append(e.msgs, sameCode(entries)...)
	if len(e.msgs) > 0 || len(entries) == 0 {
		return
	}
	for _, m := range e.result.Warnings { // those about packages are not the author's
		if m.Location != nil && !strings.Contains(m.Location.File, "node_modules/") && m.Location.Namespace != sdkSpace {
			w := bundlerMessage(m)
			w.Severity = diag.Warning
			e.msgs = append(e.msgs, w)
		}
	}
	var meta metafile
	if err := json.Unmarshal([]byte(e.result.Metafile), &meta); err != nil {
		e.msgs = append(e.msgs, diag.Message{Severity: diag.Error, Code: "ARC0002", Text: "the bundler's account cannot be read: " + err.Error()})
		return
	}
	reached := map[string]bool{}
	var inputs []string
	var reach func(out string)
	reach = func(out string) {
		if reached[out] {
			return
		}
		reached[out] = true
		for f := range meta.Outputs[out].Inputs {
			inputs = appendNew(inputs, f)
		}
		for _, i := range meta.Outputs[out].Imports {
			if i.External {
				e.imports = appendNew(e.imports, i.Path)
			} else {
				reach(i.Path)
			}
		}
	}
	for _, f := range entries {
		reach(codePath(f))
	}
	slices.Sort(e.imports)
	e.keep(in, reached)
	e.deps = dependencies(in, inputs)
}

// keep takes the reached files and their maps.
func (e *emitted) keep(in *input, reached map[string]bool) {
	e.files = map[string][]byte{}
	for _, f := range e.result.OutputFiles {
		name := strings.TrimPrefix(strings.TrimPrefix(f.Path, in.Dir), "/")
		if !reached[strings.TrimSuffix(name, ".map")] {
			continue
		}
		data := f.Contents
		if strings.HasSuffix(name, ".map") {
			data = rewriteMap(name, data)
		} else {
			data = bindRequire(data)
		}
		e.files[name] = data
	}
}

// sameCode: a.ts and src/a.ts would be the same file in the bundle.
func sameCode(entries []string) []diag.Message {
	seen := map[string]string{}
	var out []diag.Message
	for _, f := range entries {
		if first, ok := seen[codePath(f)]; ok {
			out = append(out, diag.Message{Severity: diag.Error, Code: "ARC4004", Place: diag.Place{File: f},
				Text: "its code would have the same name as that of " + first, Hint: "rename one of the two files"})
		}
		seen[codePath(f)] = f
	}
	return out
}

func bundlerMessage(m api.Message) diag.Message {
	out := diag.Message{Severity: diag.Error, Code: "ARC4001", Text: m.Text, Hint: ""}
	if r, ok := m.Detail.(refusal); ok {
		out.Code, out.Hint = r.code, r.hint
	}
	if l := m.Location; l != nil {
		at := min(l.Column, len(l.LineText))
		end := min(l.Column+l.Length, len(l.LineText))
		out.Place = diag.Place{File: l.File, Line: l.Line, Col: len([]rune(l.LineText[:at])) + 1, Length: len([]rune(l.LineText[at:end]))}
		out.LineText = l.LineText
	}
	return out
}
