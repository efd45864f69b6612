package diag

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Colours of a terminal.
const (
	red    = "\x1b[91m"
	yellow = "\x1b[93m"
	cyan   = "\x1b[96m"
	grey   = "\x1b[90m"
	invert = "\x1b[7m"
	off    = "\x1b[0m"
)

// Print writes messages for people: file:line:col - error CODE: text, the line
// with the place underlined, the notes in the same form, and the hint. Trouble
// with w is not reported: whoever reads w sees it.
func Print(w io.Writer, msgs []Message, color bool) {
	p := &printer{w: bufio.NewWriter(w), color: color}
	for i, m := range msgs {
		if i > 0 {
			fmt.Fprintln(p.w)
		}
		p.message(m)
	}
	p.w.Flush()
}

type printer struct {
	w     *bufio.Writer
	color bool
}

func (p *printer) paint(code, text string) string {
	if !p.color || text == "" {
		return text
	}
	return code + text + off
}

func (p *printer) message(m Message) {
	tone := red
	if m.Severity == Warning {
		tone = yellow
	}
	if where := p.place(m.Place); where != "" {
		fmt.Fprintf(p.w, "%s - ", where)
	}
	fmt.Fprintf(p.w, "%s %s %s\n", p.paint(tone, string(m.Severity)), p.paint(grey, m.Code+":"), visible(m.Text))
	p.frame("", m.Place, m.LineText, tone)
	for _, n := range m.Notes {
		fmt.Fprintf(p.w, "\n  %s - %s\n", p.place(n.Place), visible(n.Text))
		p.frame("  ", n.Place, n.LineText, cyan)
	}
	if m.Hint != "" {
		fmt.Fprintf(p.w, "\n  %s %s\n", p.paint(cyan, "hint:"), visible(m.Hint))
	}
}

func (p *printer) place(at Place) string {
	switch {
	case at.File == "":
		return ""
	case at.Line == 0:
		return p.paint(cyan, visible(at.File))
	}
	return p.paint(cyan, visible(at.File)) + ":" + p.paint(yellow, strconv.Itoa(at.Line)) + ":" + p.paint(yellow, strconv.Itoa(at.Col))
}

// frame shows the line and underlines the place. Tabs become one space each, so
// that the marks stand below what they mean.
func (p *printer) frame(indent string, at Place, text, tone string) {
	if at.Line == 0 || strings.TrimSpace(text) == "" {
		return
	}
	text = visible(strings.TrimRight(strings.ReplaceAll(text, "\t", " "), " "))
	number := strconv.Itoa(at.Line)
	col := min(max(at.Col-1, 0), utf8.RuneCountInString(text))
	marks := strings.Repeat("~", max(at.Length, 1))
	fmt.Fprintf(p.w, "\n%s%s %s\n", indent, p.paint(invert, number), text)
	fmt.Fprintf(p.w, "%s%s %s%s\n", indent, p.paint(invert, strings.Repeat(" ", len(number))), strings.Repeat(" ", col), p.paint(tone, marks))
}

// visible takes control characters, and those that turn the order of letters, out
// of text that came from files: neither a source file nor its name can steer the
// reader's terminal, or look like other code than it is.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		bidi := r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || bidi {
			return '\uFFFD'
		}
		return r
	}, s)
}
