package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// result prints what a command has to give: v as one line of JSON, or for
// people whatever human writes.
func (a *app) result(v any, human func(w io.Writer)) error {
	if a.json {
		return writeJSON(a.out, v)
	}
	w := &writer{w: a.out}
	human(w)
	if w.err != nil {
		return unwritten(w.err)
	}
	return nil
}

// writer keeps the first error, so that what prints need not look at each line.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) Write(b []byte) (int, error) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	return len(b), w.err
}

// unwritten is a result that never reached the reader: no success.
func unwritten(err error) error {
	return fault.Wrap(err, fault.Failed, "the result cannot be written: %s", reason(err)).
		WithHint("is there room where stdout goes?")
}

// note prints a line on stderr that is for people only.
func (a *app) note(format string, args ...any) {
	if !a.forMachines() {
		defer a.progress.pause()()
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// problem is an error in JSON.
type problem struct {
	Error struct {
		Code    fault.Code `json:"code"`
		Message string     `json:"message"`
		Hint    string     `json:"hint,omitempty"`
		Stack   string     `json:"stack,omitempty"`
		Exit    int        `json:"exit"`
	} `json:"error"`
}

// complain prints an error on stderr, unless it has been said already.
func (a *app) complain(err error) {
	var c *coded
	if errors.As(err, &c) && c.err == nil {
		return
	}
	f, ok := fault.As(err)
	if !ok {
		f = fault.New(fault.Internal, "%s", err.Error())
	}
	if a.forMachines() {
		var p problem
		p.Error.Code, p.Error.Message, p.Error.Hint = f.Code, f.Message, f.Hint
		p.Error.Stack, p.Error.Exit = f.Stack, exitCode(err)
		writeJSON(a.err, p)
		return
	}
	fmt.Fprintf(a.err, "%s %s\n", a.paint("error:", red), indented(f.Message))
	for _, line := range strings.Split(f.Stack, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasSuffix(line, f.Message) { // its first line says the message again
			fmt.Fprintf(a.err, "    %s\n", clean(line))
		}
	}
	if f.Hint != "" {
		fmt.Fprintf(a.err, "%s %s\n", a.paint("hint:", cyan), indented(f.Hint))
	}
}

// indented keeps later lines of a text, which may be a unit's own, from looking
// like lines of ours.
func indented(s string) string { return strings.ReplaceAll(clean(s), "\n", "\n    ") }

const (
	red  = "31"
	cyan = "36"
	dim  = "2"
	bold = "1"
)

// paint colours text for stderr.
func (a *app) paint(text, colour string) string {
	if !a.colour(a.err) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// colour says whether w is a terminal that wants colour.
func (a *app) colour(w io.Writer) bool {
	return !a.json && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return unwritten(err)
	}
	return nil
}

// clean makes text from elsewhere (user code, a server) safe for a terminal:
// control characters other than newline and tab are shown, not obeyed.
func clean(s string) string {
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafeRune(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unsafeRune(r rune) bool {
	bidi := r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	return r != '\n' && r != '\t' && unicode.IsControl(r) || bidi
}

// bytesText says a size in the largest binary unit that keeps a digit before the point.
func bytesText(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1024, 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}
