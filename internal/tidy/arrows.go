package tidy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// everybody may import these.
var shared = []string{"internal/fault", "internal/version"}

// compilerModule may be linked by the compiler room alone.
var compilerModule = "github.com/microsoft/" + "typescript-go"

// Arrows reads the arrows block of ARCHITECTURE.md and reports every import
// that it does not allow. Tests may import any room but another product's.
func (t *Tree) Arrows() []string {
	allowed, bad := t.readArrows()
	for _, f := range t.ours() {
		from := room(f.dir(), allowed)
		for _, im := range f.ast.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				continue // the parser has refused it already
			}
			place := fmt.Sprintf("%s:%d", f.path, f.line(im))
			if under(name, compilerModule) && from != "arc/compiler" {
				bad = append(bad, place+": only arc/compiler links the TypeScript compiler")
			}
			target, ok := strings.CutPrefix(name, Module+"/")
			if !ok || slices.Contains(shared, target) {
				continue
			}
			if why := arrow(f, from, target, allowed); why != "" {
				bad = append(bad, place+": "+why)
			}
		}
	}
	return bad
}

// arrow says why f, in room from, may not import target; "" if it may.
func arrow(f file, from, target string, allowed map[string][]string) string {
	to := room(target, allowed)
	if a, b := product(f.path), product(target); a != "" && b != "" && a != b {
		return fmt.Sprintf("%s imports %s: products never import one another", a, target)
	}
	switch {
	case f.isTest(), from == to && to != "", slices.Contains(allowed[from], to) && to != "":
		return ""
	case from == "":
		return fmt.Sprintf("%s is not named in the arrows and may import nothing of ours, not %s", f.dir(), target)
	}
	return fmt.Sprintf("no arrow from %s to %s", from, target)
}

// room is the longest name in the arrows that dir lies in, or "".
func room(dir string, allowed map[string][]string) string {
	best := ""
	for name := range allowed {
		if under(dir, name) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

func product(p string) string {
	top, _, _ := strings.Cut(p, "/")
	if top == "arc" || top == "aria" || top == "quilt" {
		return top
	}
	return ""
}

func (t *Tree) readArrows() (allowed map[string][]string, bad []string) {
	allowed = map[string][]string{}
	_, block, found := strings.Cut(t.text("ARCHITECTURE.md"), "```arrows\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		return allowed, []string{"ARCHITECTURE.md: no arrows block"}
	}
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		from, to, ok := strings.Cut(line, ":")
		if line == "" {
			continue
		}
		if !ok {
			bad = append(bad, fmt.Sprintf("ARCHITECTURE.md: arrow %q has no colon", line))
		}
		allowed[from] = strings.Fields(to)
	}
	for from, to := range allowed {
		for _, r := range to {
			if _, ok := allowed[r]; !ok {
				bad = append(bad, fmt.Sprintf("ARCHITECTURE.md: %s points to %s, which is no room of the arrows", from, r))
			}
		}
	}
	return allowed, bad
}
