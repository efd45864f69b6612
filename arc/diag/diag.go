// Package diag is what the compiler has to say to an author: a place, a
// sentence, notes that point elsewhere, a hint; and how that is printed. It
// knows no TypeScript and finds nothing itself.
package diag

import "sort"

// Severity of a message.
type Severity string

const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Place is a position in the author's files. Line and Col are 1-based, Col and
// Length count characters. File is relative to the project, with slashes; a
// message about no file has none, one about a whole file has no line.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Col    int    `json:"col,omitempty"`
	Length int    `json:"length,omitempty"`
}

// Message is one complaint. Code is "ARC1004" for ours and "TS2322" for
// TypeScript's. Text may have further lines, each indented.
type Message struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Text     string   `json:"text"`
	Place    Place    `json:"place,omitzero"`
	LineText string   `json:"lineText,omitempty"` // the line that Place points into
	Notes    []Note   `json:"notes,omitempty"`
	Hint     string   `json:"hint,omitempty"`
}

// Note points at a second place that explains a message.
type Note struct {
	Text     string `json:"text"`
	Place    Place  `json:"place,omitzero"`
	LineText string `json:"lineText,omitempty"`
}

// HasErrors tells whether one of the messages forbids a result.
func HasErrors(msgs []Message) bool {
	for _, m := range msgs {
		if m.Severity == Error {
			return true
		}
	}
	return false
}

// Sort orders messages by place, and leaves one of several that say the same
// about the same place.
func Sort(msgs []Message) []Message {
	sort.SliceStable(msgs, func(i, j int) bool {
		a, b := msgs[i].Place, msgs[j].Place
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	out := msgs[:0]
	for _, m := range msgs {
		same := len(out) > 0 && out[len(out)-1].Place == m.Place &&
			out[len(out)-1].Code == m.Code && out[len(out)-1].Text == m.Text
		if !same {
			out = append(out, m)
		}
	}
	return out
}
