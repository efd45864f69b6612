package execution

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sourcemap/sourcemap"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
)

// blame is the error of an execution as its author should read it.
func (p *plan) blame(end tokenapi.Ended) error {
	f := *end.Error
	if end.Reason == "error" {
		switch end.Name {
		case "", "Error", "AriaError", "TerminalError", "Thrown":
		default:
			f.Message = end.Name + ": " + f.Message
		}
	}
	f.Stack = p.authored(f.Stack)
	return &f
}

// frame finds places in bundled code: "code/orders.js:12:7".
var frame = regexp.MustCompile(`(?:/tmp/unit/)?(code/[^\s():]+\.m?js):(\d+):(\d+)`)

// outside matches stack lines whose place is not the author's.
var outside = regexp.MustCompile(`^\s+at .*(\(native|node:|bun:|/harness|<anonymous>\)?$)`)

// authored maps a stack to the files as written and leaves out foreign frames.
func (p *plan) authored(stack string) string {
	maps := map[string]*sourcemap.Consumer{}
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(stack, "\n"), "\n") {
		if outside.MatchString(line) {
			continue
		}
		out = append(out, frame.ReplaceAllStringFunc(line, func(at string) string {
			m := frame.FindStringSubmatch(at)
			return p.written(maps, at, m[1], m[2], m[3])
		}))
	}
	return strings.Join(out, "\n")
}

func (p *plan) written(maps map[string]*sourcemap.Consumer, at, file, line, col string) string {
	c, seen := maps[file]
	if !seen {
		if raw, err := p.bundle.File(file + ".map"); err == nil {
			c, _ = sourcemap.Parse("", raw)
		}
		maps[file] = c
	}
	if c == nil {
		return at
	}
	l, _ := strconv.Atoi(line)
	k, _ := strconv.Atoi(col)
	source, _, sl, sc, ok := c.Source(l, k-1) // its columns count from 0
	if !ok {
		return at
	}
	source = strings.TrimPrefix(path.Join(path.Dir(file), source), "source/")
	return fmt.Sprintf("%s:%d:%d", source, sl, sc+1)
}
