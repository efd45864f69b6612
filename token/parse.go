package token

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Parse reads a token that code may ask for. The error is a fault.Invalid that
// names the column (1-based, in bytes) and says what to write instead.
func Parse(s string) (Token, error) { return parse(s, false) }

// ParsePattern reads a policy's token, in which "*" may stand for any one
// segment, or for any port.
func ParsePattern(s string) (Token, error) { return parse(s, true) }

// parser holds the text for its messages.
type parser struct {
	text    string
	pattern bool
	kind    scheme
}

func (p *parser) fail(col int, format string, args ...any) *fault.Error {
	shown := p.text
	if len(shown) > 80 {
		shown = strings.ToValidUTF8(shown[:77], "") + "…"
	}
	e := fault.New(fault.Invalid, format, args...)
	e.Message = "token " + strconv.Quote(shown) + ", column " + strconv.Itoa(col+1) + ": " + e.Message
	return e
}

func parse(s string, pattern bool) (Token, error) {
	p := &parser{text: s, pattern: pattern}
	if err := p.plain(); err != nil {
		return Token{}, err
	}
	name, rest, found := strings.Cut(s, ":")
	if !found {
		return Token{}, p.fail(0, "no scheme").WithHint("write scheme:path, for example kv:orders:rw")
	}
	t := Token{scheme: strings.ToLower(name)}
	var ok bool
	if p.kind, ok = schemeOf(t.scheme); !ok {
		return Token{}, p.fail(0, "unknown scheme %q", name).WithHint("%s", schemeHint(name))
	}
	at := len(name) + 1
	body, query, hasQuery := strings.Cut(rest, "?")
	body, units, hasUnits := strings.Cut(body, "#")
	var err error
	if body, t.verb, err = p.verb(body, at); err != nil {
		return Token{}, err
	}
	if t.path, err = p.path(body, at); err != nil {
		return Token{}, err
	}
	unitsAt := at + strings.Index(rest, "#") + 1
	if t.units, err = p.units(t, units, hasUnits, unitsAt); err != nil {
		return Token{}, err
	}
	if hasQuery {
		if t.params, err = p.params(t, query, len(s)-len(query)); err != nil {
			return Token{}, err
		}
	}
	t.text = t.canonical()
	if len(t.text) > MaxBytes {
		return Token{}, p.fail(0, "canonical form is longer than %d bytes", MaxBytes)
	}
	return t, nil
}

// plain refuses what no part of any token may hold.
func (p *parser) plain() error {
	if len(p.text) > MaxBytes {
		return p.fail(0, "longer than %d bytes", MaxBytes)
	}
	if !utf8.ValidString(p.text) {
		return p.fail(0, "not UTF-8")
	}
	for i, c := range p.text {
		if c <= ' ' || c == 0x7f || unicode.IsSpace(c) || unicode.IsControl(c) {
			return p.fail(i, "character %q is not allowed", c).WithHint("a token has no spaces")
		}
	}
	return nil
}

func schemeHint(name string) string {
	known := slices.Sorted(maps.Keys(schemes))
	if n := fault.Nearest(name, known); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	return "known schemes: " + strings.Join(known, " ") + ", or x-name"
}

var verbs = []string{"a", "r", "rw", "s", "u", "w"}

// verbWords are what people write for a verb.
var verbWords = map[string]string{
	"read": "r", "ro": "r", "get": "r", "write": "rw", "wr": "rw", "rx": "r", "readwrite": "rw", "read-write": "rw",
	"update": "u", "append": "a", "atomic": "a", "snapshot": "s", "exclusive": "rw", "x": "rw", "shared": "r",
}

// verb takes the verb off the end of body.
func (p *parser) verb(body string, at int) (string, Verb, error) {
	if p.kind.verb == "" {
		return body, "", nil
	}
	path, word, found := cutLast(body, ":")
	if !found {
		return body, p.kind.verb, nil
	}
	if strings.Contains(path, ":") {
		col := at + strings.IndexByte(path, ':')
		return "", "", p.fail(col, `unexpected ":" in the path`).WithHint(`nest with "/": %s:%s`, p.text[:at-1], strings.ReplaceAll(path, ":", "/")+":"+word)
	}
	col := at + len(path) + 1
	if word == "w" {
		return path, Write, nil
	}
	if !slices.Contains(verbs, word) {
		e := p.fail(col, "unknown verb %q", word)
		if like := verbWords[strings.ToLower(word)]; like != "" {
			return "", "", e.WithHint("did you mean %q?", like)
		}
		if slices.Contains(verbs, strings.ToLower(word)) {
			return "", "", e.WithHint("did you mean %q?", strings.ToLower(word))
		}
		return "", "", e.WithHint("verbs are s (snapshot), r (shared), a (atomic), u (update), rw (exclusive)")
	}
	return path, Verb(word), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// path gives the canonical path.
func (p *parser) path(body string, at int) (string, error) {
	lead := ""
	switch p.kind.shape {
	case hostport:
		return p.hostport(body, at)
	case absolute:
		if !strings.HasPrefix(body, "/") {
			return "", p.fail(at, "the path must be absolute").WithHint(`write fs:/data/x:r`)
		}
		lead, body, at = "/", body[1:], at+1
	case colons:
		body = strings.ReplaceAll(body, "/", ":")
	}
	sep := "/"
	if p.kind.shape == colons {
		sep = ":"
	}
	segs := strings.Split(norm.NFC.String(body), sep)
	if len(segs) > MaxDepth {
		return "", p.fail(at, "more than %d segments", MaxDepth)
	}
	col := at
	for _, seg := range strings.Split(body, sep) {
		if err := p.segment(seg, col, len(segs) == 1); err != nil {
			return "", err
		}
		col += len(seg) + 1
	}
	return lead + strings.Join(segs, sep), nil
}

func (p *parser) segment(seg string, col int, only bool) error {
	seg = norm.NFC.String(seg)
	switch {
	case seg == "":
		return p.fail(col, "empty path segment")
	case seg == "." || seg == "..":
		return p.fail(col, "segment %q is not a name", seg)
	case utf8.RuneCountInString(seg) > MaxSegment:
		return p.fail(col, "segment longer than %d characters", MaxSegment)
	case seg == "*":
		if p.pattern || only && p.kind.counted && p.kind.any {
			return nil
		}
		return p.fail(col, `"*" is for policies only`).WithHint("name the resource")
	}
	for i, c := range seg {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c) && !strings.ContainsRune("-_.~", c) {
			return p.fail(col+i, "character %q is not allowed in a name", c).WithHint("letters, digits and - _ . ~ are")
		}
	}
	return nil
}

func (p *parser) units(t Token, text string, given bool, at int) (int64, error) {
	if !given {
		if p.kind.counted {
			return 1, nil
		}
		return 0, nil
	}
	if !p.kind.counted {
		return 0, p.fail(at-1, "%s takes no units", t.scheme).WithHint("only llm gpu cpu mem slot tool agent are counted")
	}
	if t.scheme == "gpu" && t.path != "*" {
		return 0, p.fail(at-1, "one named gpu has no units").WithHint("write gpu:*#%s for any of them", text)
	}
	n, ok := number(text, maxUnitsLen)
	if !ok || n == 0 {
		return 0, p.fail(at, "units %q is not a number from 1 to 999999999", text)
	}
	return n, nil
}

// number reads 1 to max decimal digits and nothing else.
func number(s string, max int) (int64, bool) {
	if s == "" || len(s) > max || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func (t Token) canonical() string {
	var b strings.Builder
	b.WriteString(t.scheme + ":" + t.path)
	if t.verb != "" {
		b.WriteString(":" + string(t.verb))
	}
	if t.units > 1 {
		b.WriteString("#" + strconv.FormatInt(t.units, 10))
	}
	b.WriteString(t.params.canonical())
	return b.String()
}
