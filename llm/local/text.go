package local

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/words"
)

// text is a clause of which every part can be used once.
type text struct {
	raw  string
	used []bool // by byte
}

func newText(s string) *text { return &text{raw: s, used: make([]bool, len(s))} }

var (
	quoted      = regexp.MustCompile(`"([^"]+)"|“([^”]+)”|(?:^|\s)'([^']+)'(?:$|[\s.,;!?])`)
	email       = regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)
	url         = regexp.MustCompile(`https?://[^\s"'<>]*[^\s"'<>.,;!?)]`)
	date        = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}\b`)
	dateTime    = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})\b`)
	uuid        = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b`)
	ids         = regexp.MustCompile(`#(\w[\w-]*)|\b([A-Za-z]{1,8}[-_]\d[\w-]*|[A-Z]{1,4}\d[\w-]*|\d+)\b`)
	clearIDs    = regexp.MustCompile(`#\w[\w-]*|\b[A-Z]{1,8}[-_]\d[\w-]*\b`)
	numbers     = regexp.MustCompile(`[-+]?\d[\d,]*(?:\.\d+)?`)
	plainNumber = regexp.MustCompile(`^-?(?:0|[1-9]\d*)(?:\.\d+)?$`)
	proper      = regexp.MustCompile(`(?:\b(?:for|to|from|of|by|in|at|called|named|with)\s+)(\p{Lu}[\p{L}'-]*(?:\s+\p{Lu}[\p{L}'-]*)*)`)
	items       = regexp.MustCompile(`(?i)\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)\s+(?:of\s+)?(?:the\s+)?(\pL[\pL-]*(?:\s+\pL[\pL-]*){0,2}?)(?:\s+(?:for|to|at|by|on|with|and|please)\b|\s*[,.;!?]|\s*$)`)
	wordAt      = regexp.MustCompile(`^[\s:=,]*(?:(?:is|of|to|as|be|at|by|number|no\.?|id)\s+)*[\s:=]*(?:"([^"]+)"|'([^']+)'|([^\s"';,?!]+))`)
)

var numerals = map[string]json.Number{"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
	"eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "dozen": "12"}

// take uses the first unused match: its first group that matched, or all of it.
func (t *text) take(re *regexp.Regexp) (any, bool) {
	for _, m := range re.FindAllStringSubmatchIndex(t.raw, -1) {
		from, to := m[0], m[1]
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				from, to = m[g], m[g+1]
				break
			}
		}
		if t.free(from, to) {
			t.use(m[0], m[1])
			return t.raw[from:to], true
		}
	}
	return nil, false
}

func (t *text) free(from, to int) bool {
	for i := from; i < to; i++ {
		if t.used[i] {
			return false
		}
	}
	return from < to
}

func (t *text) use(from, to int) {
	for i := from; i < to; i++ {
		t.used[i] = true
	}
}

// rest is what has not been used yet.
func (t *text) rest() string {
	b := []byte(t.raw)
	for i, u := range t.used {
		if u {
			b[i] = ' '
		}
	}
	return string(b)
}

// shape is what the schema demands a text to look like, nil for any text.
func (t *text) shape(name string, s llm.Schema) *regexp.Regexp {
	if !s.Is("string") {
		return nil
	}
	if p, ok := s.Node["pattern"].(string); ok {
		inner := strings.TrimSuffix(strings.TrimPrefix(p, "^"), "$")
		if re, err := regexp.Compile(`\b` + `(?:` + inner + `)\b`); err == nil && len(inner) > 2 && !strings.HasPrefix(inner, ".") {
			return re
		}
	}
	format, _ := s.Node["format"].(string)
	switch format {
	case "email":
		return email
	case "uri", "url":
		return url
	case "date":
		return date
	case "date-time":
		return dateTime
	case "uuid":
		return uuid
	}
	switch words.Stem(last(words.Split(name))) {
	case "email", "mail":
		return email
	case "url", "link":
		return url
	case "dat", "day":
		return date
	}
	return nil
}

func last(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// suits says whether a word beside a property's name has the demanded shape.
func (t *text) suits(s llm.Schema, word string) bool {
	if re := t.shape("", s); re != nil {
		return re.FindString(word) == word
	}
	return true
}

// number takes the first number that is not part of an id or a date.
func (t *text) number(s llm.Schema) (any, bool) {
	for _, m := range numbers.FindAllStringIndex(t.raw, -1) {
		n, ok := numberOf(t.raw[m[0]:m[1]])
		if ok && s.Fits(n) && t.free(m[0], m[1]) && t.alone(m[0], m[1]) {
			t.use(m[0], m[1])
			return n, true
		}
	}
	for _, w := range regexp.MustCompile(`\pL+`).FindAllStringIndex(t.raw, -1) {
		n, ok := numerals[strings.ToLower(t.raw[w[0]:w[1]])]
		if ok && s.Fits(n) && t.free(w[0], w[1]) {
			t.use(w[0], w[1])
			return n, true
		}
	}
	return nil, false
}

// alone: no letter, "#" or "-" before and no letter or "-" after.
func (t *text) alone(from, to int) bool {
	if from > 0 {
		if c := rune(t.raw[from-1]); unicode.IsLetter(c) || c == '#' || c == '-' || c == '_' {
			return false
		}
	}
	if to < len(t.raw) {
		if c := rune(t.raw[to]); unicode.IsLetter(c) || c == '-' || c == '_' || c == ':' {
			return false
		}
	}
	return true
}

func (t *text) id() (any, bool) {
	if v, ok := t.take(uuid); ok {
		return v, true
	}
	return t.take(ids)
}

// item is what is counted: "3 blue mugs", "2 of the mugs". The number stays.
func (t *text) item() (any, bool) {
	for _, m := range items.FindAllStringSubmatchIndex(t.raw, -1) {
		if t.free(m[2], m[3]) {
			t.use(m[2], m[3])
			return t.raw[m[2]:m[3]], true
		}
	}
	return nil, false
}

func (t *text) proper() (any, bool) { return t.take(proper) }

// after are the places right behind a property's name, however it is spelt.
func (t *text) after(name string) []int {
	parts := words.Split(name)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	re := regexp.MustCompile(`(?i)(?:^|[^\pL\pN])` + strings.Join(parts, `[\s_-]?`) + `(?:[^\pL\pN]|$)`)
	var out []int
	for _, m := range re.FindAllStringIndex(t.raw, -1) {
		at := m[1]
		if at > m[0] && at < len(t.raw) {
			at-- // the separator belongs to what follows
		}
		out = append(out, at)
	}
	return out
}

// word is the value that starts at a place, without the punctuation behind it.
func (t *text) word(at int) (word string, from, to int) {
	m := wordAt.FindStringSubmatchIndex(t.raw[at:])
	if m == nil {
		return "", 0, 0
	}
	for g := 2; g < len(m); g += 2 {
		if m[g] >= 0 {
			from, to = at+m[g], at+m[g+1]
			break
		}
	}
	for to > from && strings.ContainsRune(".:!", rune(t.raw[to-1])) {
		to--
	}
	if !t.free(from, to) {
		return "", 0, 0
	}
	return t.raw[from:to], from, to
}

// flag reads a boolean that the words name: "express", "not express",
// "express false".
func (t *text) flag(name string) (any, bool) {
	for _, at := range t.after(name) {
		word, from, to := t.word(at)
		switch strings.ToLower(word) {
		case "true", "yes", "on":
			t.use(from, to)
			return true, true
		case "false", "no", "off":
			t.use(from, to)
			return false, true
		}
		before := words.Split(t.raw[:at])
		for _, w := range before[max(0, len(before)-1-len(words.Split(name))):] {
			if w == "not" || w == "no" || w == "without" || w == "non" || w == "never" {
				return false, true
			}
		}
		return true, true
	}
	return nil, false
}
