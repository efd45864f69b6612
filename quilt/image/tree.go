package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A tree is what an archive describes, in memory: its names never reach a file
// system. Content lies beside it, in files that we have named.
type tree struct {
	root    *node
	entries int
}

type node struct {
	children map[string]*node // a folder's
	link     string           // a symbolic link's target
	blob     string           // a file's content
	size     int64
	program  bool // a file that may be executed
}

func (n *node) folder() bool { return n.children != nil }

// What an image may be made of at most. A base has thousands of files, rarely a
// hundred thousand.
const (
	maxEntries = 300_000
	maxDepth   = 64
	maxLinks   = 40
	maxName    = 255
)

func newTree() *tree { return &tree{root: &node{children: map[string]*node{}}} }

// clean splits a name of an archive. One that leads out is an error, not
// mended: no honest archive has it.
func clean(name string) ([]string, error) {
	if strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("the name %q holds a NUL byte", name)
	}
	var out []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return nil, fmt.Errorf("the name %q leads out of the archive", name)
		case len(part) > maxName:
			return nil, fmt.Errorf("a name is longer than %d bytes", maxName)
		default:
			out = append(out, part)
		}
	}
	if len(out) > maxDepth {
		return nil, fmt.Errorf("the name %.80q… is deeper than %d folders", name, maxDepth)
	}
	return out, nil
}

// resolve follows parts from the root, links too; nothing leads above it. make
// says that missing folders are made. The last part is followed like the others.
func (t *tree) resolve(parts []string, make bool) (*node, error) {
	links := 0
	stack := []*node{t.root}
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		at := stack[len(stack)-1]
		if part == ".." {
			stack = stack[:max(1, len(stack)-1)]
			continue
		}
		if !at.folder() {
			return nil, fmt.Errorf("%s lies below something that is no folder", part)
		}
		next := at.children[part]
		switch {
		case next == nil && !make:
			return nil, nil
		case next == nil:
			next = &node{children: map[string]*node{}}
			at.children[part] = next
			if err := t.count(); err != nil {
				return nil, err
			}
		case next.link != "":
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s is a link to itself, or one of too many", part)
			}
			if strings.HasPrefix(next.link, "/") {
				stack = stack[:1]
			}
			parts = slices.Concat(linkParts(next.link), parts)
			continue
		}
		stack = append(stack, next)
	}
	return stack[len(stack)-1], nil
}

func linkParts(target string) (out []string) {
	for part := range strings.SplitSeq(target, "/") {
		if part != "" && part != "." {
			out = append(out, part)
		}
	}
	return out
}

func (t *tree) count() error {
	if t.entries++; t.entries > maxEntries {
		return fmt.Errorf("there are more than %d entries", maxEntries)
	}
	return nil
}

// put places n under name; what was there is replaced, but a folder stays one.
func (t *tree) put(name string, n *node) error {
	parts, err := clean(name)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		if n.folder() {
			return nil
		}
		return fmt.Errorf("the root is not a folder")
	}
	parent, err := t.resolve(parts[:len(parts)-1], true)
	if err != nil {
		return err
	}
	if !parent.folder() {
		return fmt.Errorf("%q lies below something that is no folder", name)
	}
	last := parts[len(parts)-1]
	if old := parent.children[last]; old != nil && n.folder() {
		if old.folder() {
			return nil
		}
		// A layer that has a folder where another has a link to one means that one.
		if to, err := t.resolve(parts, false); old.link != "" && err == nil && to != nil && to.folder() {
			return nil
		}
	}
	parent.children[last] = n
	return t.count()
}

// whiteout removes what lower layers have: one name, or all that is in a folder.
func (t *tree) whiteout(dir, name string) error {
	parts, err := clean(dir)
	if err != nil {
		return err
	}
	parent, err := t.resolve(parts, false)
	if err != nil || parent == nil || !parent.folder() {
		return err
	}
	if name == "" {
		clear(parent.children)
		return nil
	}
	delete(parent.children, name)
	return nil
}

// flattened is a tree without links: each is what it leads to.
type flattened struct {
	files   []file
	bytes   int64
	dropped int // links that lead nowhere, or back to where they are
}

// flatten lists the tree. Mount points are left to whoever owns them.
func (t *tree) flatten(limit int64) (flattened, error) {
	f := flattened{}
	err := t.walk(&f, "", t.root, map[*node]bool{}, limit)
	return f, err
}

func (t *tree) walk(f *flattened, at string, n *node, above map[*node]bool, limit int64) error {
	above[n] = true
	defer delete(above, n)
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		p := path.Join(at, name)
		child := n.children[name]
		if mountPoint(p) {
			continue
		}
		if child.link != "" {
			to, err := t.resolve(strings.Split(p, "/"), false)
			if err != nil || to == nil || above[to] {
				f.dropped++
				continue
			}
			child = to
		}
		if len(f.files) > maxEntries {
			return fmt.Errorf("there are more than %d entries once links are what they lead to", maxEntries)
		}
		if child.folder() {
			if strings.Count(p, "/") > maxDepth {
				return fmt.Errorf("%.80q… is deeper than %d folders", p, maxDepth)
			}
			f.files = append(f.files, file{path: p, mode: 0o755, dir: true})
			if err := t.walk(f, p, child, above, limit); err != nil {
				return err
			}
			continue
		}
		if f.bytes += child.size; f.bytes > limit {
			return fmt.Errorf("it is larger than %d MiB once links are what they lead to", limit>>20)
		}
		mode := file{path: p, mode: 0o644, source: child.blob}
		if child.program {
			mode.mode = 0o755
		}
		f.files = append(f.files, mode)
	}
	return nil
}

// mountPoint: these are made by us and covered when a container starts.
func mountPoint(p string) bool { return p == "dev" || p == "proc" || p == "tmp" || p == "sys" }
