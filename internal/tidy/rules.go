package tidy

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxLines of a source file that is not generated.
const MaxLines = 450

// PackageComments reports packages without one, or with more than one.
func (t *Tree) PackageComments() []string {
	comments := map[string][]string{}
	for _, f := range t.ours() {
		if f.isTest() || f.generated() {
			continue
		}
		comments[f.dir()] = append(comments[f.dir()], nil...)
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			comments[f.dir()] = append(comments[f.dir()], f.path)
		}
	}
	var bad []string
	for _, dir := range slices.Sorted(maps.Keys(comments)) {
		switch files := comments[dir]; {
		case len(files) == 0:
			bad = append(bad, dir+": no package comment")
		case len(files) > 1:
			bad = append(bad, fmt.Sprintf("%s: package comment in %s", dir, strings.Join(files, " and ")))
		}
	}
	return bad
}

var mapRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/._-]+?)/?` \\|")

// Map reports folders of ARCHITECTURE.md's map that are not there, and Go
// packages and top-level folders that the map does not have.
func (t *Tree) Map() []string {
	_, section, _ := strings.Cut(t.text("ARCHITECTURE.md"), "## The map\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rooms, bad []string
	for _, m := range mapRow.FindAllStringSubmatch(section, -1) {
		rooms = append(rooms, m[1])
		if !slices.Contains(t.folders, m[1]) {
			bad = append(bad, "ARCHITECTURE.md: the map has "+m[1]+", which is not there")
		}
	}
	if len(rooms) == 0 {
		return []string{"ARCHITECTURE.md: no map"}
	}
	for _, dir := range t.folders {
		known := func(r string) bool { return under(dir, r) || under(r, dir) }
		if dir != "." && !strings.Contains(dir, "/") && !slices.ContainsFunc(rooms, known) {
			bad = append(bad, dir+": the folder is not on the map")
		}
	}
	seen := map[string]bool{}
	for _, f := range t.ours() {
		inside := func(r string) bool { return under(f.dir(), r) }
		if !seen[f.dir()] && !slices.ContainsFunc(rooms, inside) {
			bad = append(bad, f.dir()+": the package is in no room of the map")
		}
		seen[f.dir()] = true
	}
	return bad
}

// NoCgoNoInit reports import "C" and init functions outside generated files.
func (t *Tree) NoCgoNoInit() []string {
	var bad []string
	for _, f := range t.ours() {
		for _, im := range f.ast.Imports {
			if im.Path.Value == `"C"` {
				bad = append(bad, fmt.Sprintf("%s:%d: cgo", f.path, f.line(im)))
			}
		}
		if f.generated() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				bad = append(bad, fmt.Sprintf("%s:%d: init function; wire it by hand", f.path, f.line(fn)))
			}
		}
	}
	return bad
}

// impure is what the scheduler may not touch: packages, and parts of time.
var impure = []string{"os", "io", "net", "math/rand", "crypto", "syscall", "sync", "context", "log", "database", "golang.org/x/sys"}

// PureScheduler reports clocks, disk, network, randomness and goroutines in
// quilt/scheduler outside its tests.
func (t *Tree) PureScheduler() []string {
	var bad []string
	for _, f := range t.ours() {
		if f.dir() != "quilt/scheduler" || f.isTest() {
			continue
		}
		for _, im := range f.ast.Imports {
			name, _ := strconv.Unquote(im.Path.Value)
			if slices.ContainsFunc(impure, func(p string) bool { return under(name, p) }) {
				bad = append(bad, fmt.Sprintf("%s:%d: quilt/scheduler imports %s", f.path, f.line(im), name))
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				bad = append(bad, fmt.Sprintf("%s:%d: quilt/scheduler starts a goroutine", f.path, f.line(n)))
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
				if ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					bad = append(bad, fmt.Sprintf("%s:%d: quilt/scheduler reads the clock", f.path, f.line(n)))
				}
			}
			return true
		})
	}
	return bad
}

// The words are put together here so that this file does not hold them.
var (
	machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.~$}\-/])/(` + strings.Join([]string{"work", "root", "home/[a-z0-9]+", "Users/[A-Za-z0-9]+"}, "|") + `)/`)
	registry    = regexp.MustCompile(`(registry\.(` + `npmjs|yarnpkg)|(proxy|sum)\.` + `golang|static\.` + `crates|files\.` + `pythonhosted)\.(org|com|io)`)
)

// Words reports paths of somebody's machine and hosts of package registries.
func (t *Tree) Words() []string {
	var bad []string
	for _, f := range t.files {
		number := 0
		for line := range strings.Lines(string(f.text)) {
			number++
			for _, re := range []*regexp.Regexp{machinePath, registry} {
				if w := re.FindString(line); w != "" {
					bad = append(bad, fmt.Sprintf("%s:%d: %q has no place in the repository", f.path, number, strings.TrimSpace(w)))
				}
			}
		}
	}
	return bad
}

// Sizes reports source files that have swallowed a second noun.
func (t *Tree) Sizes() []string {
	var bad []string
	for _, f := range t.files {
		source := slices.Contains([]string{".go", ".ts", ".js", ".sh"}, path.Ext(f.path)) && !strings.HasSuffix(f.path, ".d.ts") &&
			!strings.HasPrefix(f.path, "sdk/dist/") // built from sdk/src
		if n := strings.Count(string(f.text), "\n"); source && !f.generated() && n > MaxLines {
			bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d", f.path, n, MaxLines))
		}
	}
	return bad
}

var (
	mdLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdCode = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// Links reports relative links of Markdown files that lead nowhere.
func (t *Tree) Links() []string {
	there := map[string]bool{}
	for _, d := range t.folders {
		there[d] = true
	}
	for _, f := range t.files {
		there[f.path] = true
	}
	var bad []string
	for _, f := range t.files {
		if path.Ext(f.path) != ".md" {
			continue
		}
		for _, m := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(string(f.text), ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") || strings.Contains(target, "testdata/") {
				continue
			}
			if !there[path.Join(f.dir(), target)] {
				bad = append(bad, fmt.Sprintf("%s: the link to %s leads nowhere", f.path, m[1]))
			}
		}
	}
	return bad
}

var designNumber = regexp.MustCompile(`^docs/design/(\d+)-`)

// Repeats reports what two lines of work leave behind when they are joined
// carelessly: a list entry of the changelog that is there twice, a second
// .PHONY of the Makefile, a number that two design notes have.
func (t *Tree) Repeats() []string {
	var bad []string
	seen := map[string]bool{}
	for _, entry := range strings.Split(t.text("changelog/unreleased.md"), "\n- ")[1:] {
		if seen[entry] {
			first, _, _ := strings.Cut(entry, "\n")
			bad = append(bad, "changelog/unreleased.md: twice: "+first)
		}
		seen[entry] = true
	}
	if n := strings.Count("\n"+t.text("Makefile"), "\n.PHONY:"); n > 1 {
		bad = append(bad, fmt.Sprintf("Makefile: .PHONY is there %d times", n))
	}
	for _, f := range t.files {
		if m := designNumber.FindStringSubmatch(f.path); m != nil {
			if seen[m[0]] {
				bad = append(bad, f.path+": another note has the number "+m[1])
			}
			seen[m[0]] = true
		}
	}
	return bad
}
