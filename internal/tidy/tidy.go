// Package tidy holds the house rules as functions over a source tree: who may
// import whom, what every package and folder needs, what no file may hold. Its
// tests run them over this repository and show each failing on a planted
// example. It changes nothing and is imported by nobody.
package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the path of this module; imports below it are ours.
const Module = "github.com/ariacomputecompany/firmware"

// file is one text file of the tree.
type file struct {
	path string // with "/", from the root
	text []byte
	ast  *ast.File // of Go files
	fset *token.FileSet
}

func (f file) dir() string     { return path.Dir(f.path) }
func (f file) isGo() bool      { return f.ast != nil }
func (f file) isTest() bool    { return strings.HasSuffix(f.path, "_test.go") }
// generated: sdk/dist holds what sdk/src builds to, which a test compares.
func (f file) generated() bool {
	return f.ast != nil && ast.IsGenerated(f.ast) || strings.HasPrefix(f.path, "sdk/dist/") && strings.HasSuffix(f.path, ".js")
}

func (f file) line(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// Tree is a source tree, read once.
type Tree struct {
	files   []file
	folders []string
	nested  []string // folders that are modules of their own
}

// Read reads the tree at root but for what .gitignore's plain folder lines,
// testdata, node_modules and dot folders hold.
func Read(root string) (*Tree, error) {
	t := &Tree{}
	skip := ignored(root)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		base := d.Name()
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || skip["/"+rel] || skip[base]) {
				return fs.SkipDir
			}
			t.folders = append(t.folders, rel)
			return nil
		}
		if !d.Type().IsRegular() || base == ".git" || skip["/"+rel] || skip[base] {
			return nil
		}
		return t.add(name, rel)
	})
	return t, err
}

func (t *Tree) add(name, rel string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if path.Base(rel) == "go.mod" && rel != "go.mod" {
		t.nested = append(t.nested, path.Dir(rel))
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return nil // not text
	}
	f := file{path: rel, text: text}
	if strings.HasSuffix(rel, ".go") {
		f.fset = token.NewFileSet()
		if f.ast, err = parser.ParseFile(f.fset, rel, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return fmt.Errorf("parse: %w", err)
		}
	}
	t.files = append(t.files, f)
	return nil
}

// ignored are the lines of .gitignore that name one folder or file; those with
// a slash in front count from the root only.
func ignored(root string) map[string]bool {
	out := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		return out // no .gitignore, nothing ignored
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(strings.TrimSpace(line), "/")
		if line != "" && !strings.ContainsAny(line, "#*!") {
			out[line] = true
		}
	}
	return out
}

// ours: the Go files of this module, without those of nested modules and
// without internal/deps, which only names modules for go.mod.
func (t *Tree) ours() []file {
	var out []file
	for _, f := range t.files {
		inNested := slices.ContainsFunc(t.nested, func(n string) bool { return under(f.path, n) })
		if f.isGo() && !inNested && f.dir() != "internal/deps" {
			out = append(out, f)
		}
	}
	return out
}

func (t *Tree) text(name string) string {
	for _, f := range t.files {
		if f.path == name {
			return string(f.text)
		}
	}
	return ""
}

// under: p is folder or lies below it.
func under(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }
