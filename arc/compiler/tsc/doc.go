package arctsc

import (
	"regexp"
	"strings"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/scanner"
)

// comment is one JSDoc block, taken apart.
type comment struct {
	text    string
	tags    []tag
	params  map[string]*comment
	returns *comment // nil: nothing is said
}

type tag struct{ name, text string }

// inlineTag finds tags that follow other text on a line. TypeScript sees tags
// only at the start of a line, but people write `/** in cents @minimum 0 */`.
var inlineTag = regexp.MustCompile(`(?:^|\s)@(minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|minLength|maxLength|minItems|maxItems|minProperties|maxProperties|pattern|format|default|examples?|deprecated|type|title|uniqueItems|nullable|ignore|items|additionalProperties)\b`)

func commentOf(d *ast.Node) comment {
	out := comment{params: map[string]*comment{}}
	if d == nil {
		return out
	}
	if d.Kind == ast.KindVariableDeclaration && d.Parent != nil && d.Parent.Parent != nil {
		d = d.Parent.Parent // the comment stands before `export const`
	}
	blocks := d.JSDoc(nil)
	if len(blocks) == 0 {
		return out
	}
	last := blocks[len(blocks)-1].AsJSDoc()
	if last.Comment != nil {
		out.text = out.split(plain(last.Comment.Nodes))
	}
	if last.Tags == nil {
		return out
	}
	about := &out // whom a constraint is about: the parameter or result before it
	var aboutTag *ast.Node
	for _, t := range last.Tags.Nodes {
		text := plain(t.Comments())
		if t.Kind == ast.KindJSDocUnknownTag {
			text = rawTag(t) // {"a":1} is a value here, not a type
		}
		name := strings.TrimPrefix(t.TagName().Text(), "TJS-") // as another tool spells them
		switch {
		case t.Kind == ast.KindJSDocParameterTag:
			about, aboutTag = &comment{}, t
			about.text = about.split(strings.TrimSpace(strings.TrimPrefix(text, "-")))
			if t.Name().Kind == ast.KindIdentifier { // not opts.name, which is a member's
				out.params[t.Name().Text()] = about
			}
		case t.Kind == ast.KindJSDocReturnTag:
			about, aboutTag = &comment{}, t
			about.text = about.split(text)
			out.returns = about
		case t.Kind == ast.KindJSDocTypeTag: // its text is parsed as a type
			raw := ast.GetSourceFileOfNode(t).Text()[t.TagName().End():t.End()]
			raw, _, _ = strings.Cut(strings.TrimSpace(raw), "\n")
			about.tags = append(about.tags, tag{"type", strings.TrimRight(raw, "*/ ")})
		case numberTags[name], constrains[name], values[name] && sameLine(aboutTag, t):
			about.tags = append(about.tags, tag{name, about.split(text)})
		default:
			out.tags = append(out.tags, tag{name, out.split(text)})
		}
	}
	return out
}

// values are tags that speak of a parameter if they share its line, and of the
// whole if they have one of their own.
var values = set("default", "example", "examples", "title", "deprecated")

func sameLine(a, b *ast.Node) bool {
	if a == nil {
		return false
	}
	text := ast.GetSourceFileOfNode(a).Text()
	return !strings.Contains(text[a.TagName().Pos():b.TagName().Pos()], "\n")
}

// rawTag is the text of a tag as it stands in the source, without the stars at
// the left.
func rawTag(t *ast.Node) string {
	raw := ast.GetSourceFileOfNode(t).Text()[t.TagName().End():t.End()]
	lines := strings.Split(raw, "\n")
	for i, l := range lines {
		if i > 0 {
			l = strings.TrimPrefix(strings.TrimSpace(l), "*")
		}
		lines[i] = strings.TrimSpace(l)
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.Join(lines, "\n"), "*/"))
}

// lostComment tells of a JSDoc comment that TypeScript gives to nobody, because it
// follows other code on its line.
func lostComment(n *ast.Node) bool {
	if len(n.JSDoc(nil)) > 0 {
		return false
	}
	f := ast.GetSourceFileOfNode(n)
	between := f.Text()[n.Pos():scanner.GetTokenPosOfNode(n, f, false)]
	return strings.Contains(between, "/**")
}

// split takes inline tags out of text and gives what stands before them.
func (c *comment) split(text string) string {
	at := inlineTag.FindAllStringSubmatchIndex(text, -1)
	if len(at) == 0 {
		return text
	}
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		c.tags = append(c.tags, tag{text[m[2]:m[3]], strings.TrimSpace(text[m[1]:end])})
	}
	return strings.TrimSpace(text[:at[0][0]])
}

// plain is the text of a comment, with {@link X} as X.
func plain(nodes []*ast.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		switch n.Kind {
		case ast.KindJSDocText:
			b.WriteString(n.Text())
		case ast.KindJSDocLink, ast.KindJSDocLinkCode, ast.KindJSDocLinkPlain:
			if name := n.Name(); name != nil {
				f := ast.GetSourceFileOfNode(n)
				b.WriteString(strings.TrimSpace(f.Text()[name.Pos():name.End()]))
			}
			b.WriteString(n.Text())
		}
	}
	return strings.TrimSpace(b.String())
}

func commentOfSymbol(s *ast.Symbol) comment {
	var out comment
	if s == nil {
		return out
	}
	for _, d := range s.Declarations {
		c := commentOf(d)
		if out.text == "" {
			out.text = c.text
		}
		out.tags = append(out.tags, c.tags...)
	}
	return out
}

func (c comment) doc() Doc {
	d := Doc{Text: c.text}
	for _, t := range c.tags {
		if t.name == "deprecated" {
			if d.Deprecated = t.text; d.Deprecated == "" {
				d.Deprecated = "deprecated"
			}
		}
	}
	return d
}
