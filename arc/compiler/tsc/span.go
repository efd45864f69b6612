package arctsc

import (
	"strings"
	"unicode/utf8"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/scanner"
)

// span is the place of a node, without the comments before it.
func (p *project) span(n *ast.Node) Span {
	f := ast.GetSourceFileOfNode(n)
	return p.spanOf(f, scanner.GetTokenPosOfNode(n, f, false), n.End())
}

func (p *project) spanOf(f *ast.SourceFile, start, end int) Span {
	if f == nil {
		return Span{}
	}
	text := f.Text()
	start = min(max(start, 0), len(text))
	line := scanner.GetECMALineOfPosition(f, start)
	from := int(scanner.GetECMALineStarts(f)[line])
	to := len(text)
	if i := strings.IndexAny(text[from:], "\r\n"); i >= 0 {
		to = from + i
	}
	start = min(start, to)
	end = min(max(end, start), to)
	return Span{
		File: p.rel(f.FileName()), Line: line + 1,
		Col:      utf8.RuneCountInString(text[from:start]) + 1,
		Length:   utf8.RuneCountInString(text[start:end]),
		LineText: text[from:to],
	}
}
