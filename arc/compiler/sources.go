package compiler

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/bundle"
)

// sourceMap has the fields in the order in which they are written.
type sourceMap struct {
	Version  int      `json:"version"`
	Sources  []string `json:"sources"`
	Names    []string `json:"names"`
	Mappings string   `json:"mappings"`
}

// rewriteMap makes the sources of a map point into the bundle: from code/a/b.js
// the file src/a/b.ts is ../../source/src/a/b.ts.
func rewriteMap(name string, data []byte) []byte {
	var m sourceMap
	if json.Unmarshal(data, &m) != nil {
		return data
	}
	up := strings.Repeat("../", strings.Count(name, "/"))
	for i, s := range m.Sources {
		switch inside, isSDK := strings.CutPrefix(s, sdkSpace+":"); {
		case isSDK:
			s = "node_modules/" + sdkModule + "/" + inside
		default:
			s = path.Join(path.Dir(name), s)
			for strings.HasPrefix(s, "../") { // a package beside or above the project
				s = s[3:]
			}
		}
		m.Sources[i] = up + "source/" + s
	}
	out, err := json.Marshal(m)
	if err != nil {
		return data
	}
	return append(out, '\n')
}

// withSources adds the TypeScript as written to the code. A source that a link
// leads out of the project is a complaint.
func (in *input) withSources(e *emitted, sources []string) (map[string][]byte, []diag.Message, error) {
	var outside []diag.Message
	files := map[string][]byte{}
	for name, data := range e.files {
		files[name] = data
	}
	for _, s := range sources {
		real, err := filepath.EvalSymlinks(in.Dir + "/" + s)
		if err != nil {
			return nil, nil, fmt.Errorf("source: %w", err)
		}
		if !under(in.Dir, real) {
			outside = append(outside, diag.Message{Severity: diag.Error, Code: "ARC4005", Place: diag.Place{File: s},
				Text: "this file is imported but " + wordsOutside, Hint: hintOutside})
			continue
		}
		text, err := file.Read(real, s, file.Large)
		if err != nil {
			return nil, nil, fmt.Errorf("source: %w", err)
		}
		files["source/"+s] = text
	}
	return files, outside, nil
}

// dependencies are the packages whose files went into the code, by name.
func dependencies(in *input, inputs []string) []bundle.Dependency {
	const modules = "node_modules/"
	var roots []string
	for _, f := range inputs {
		i := strings.LastIndex(f, modules)
		if i < 0 {
			continue
		}
		parts := strings.SplitN(f[i+len(modules):], "/", 3)
		name := parts[0]
		if strings.HasPrefix(name, "@") && len(parts) > 1 {
			name += "/" + parts[1]
		}
		roots = appendNew(roots, f[:i+len(modules)]+name)
	}
	var out []bundle.Dependency
	for _, root := range roots {
		d := bundle.Dependency{Name: root[strings.LastIndex(root, modules)+len(modules):]}
		var pkg struct {
			Version string `json:"version"`
			License any    `json:"license"` // old packages have an object here
		}
		if raw, err := file.Read(path.Join(in.Dir, root, "package.json"), root+"/package.json", file.Small); err == nil && json.Unmarshal(raw, &pkg) == nil {
			d.Version = pkg.Version
			d.License, _ = pkg.License.(string)
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b bundle.Dependency) int {
		return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version)
	})
	return out
}
