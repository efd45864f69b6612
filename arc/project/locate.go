package project

import "strings"

// locate finds where a key stands in TOML text: 1-based line and column. The
// TOML decoder keeps no places, so this reads headers and the left sides of
// lines again; a key inside an inline table gets the place of the table.
func locate(text string, path []string) (line, col int) {
	line, col = 1, 1
	best := 0
	var table []string
	for i, raw := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(raw, " \t")
		at := len(raw) - len(trimmed) + 1
		var here []string
		if strings.HasPrefix(trimmed, "[") {
			table = splitKey(strings.Trim(strings.TrimRight(cutComment(trimmed), " \t\r"), "[]"))
			here = table
		} else if left, _, ok := strings.Cut(trimmed, "="); ok && !strings.HasPrefix(left, "#") {
			here = append(append([]string{}, table...), splitKey(left)...)
		}
		if n := sharedPrefix(here, path); n > best && n >= min(len(here), len(path)) {
			best, line, col = n, i+1, at
		}
	}
	return line, col
}

// splitKey splits units."orders.get".timeout at the dots outside quotes.
func splitKey(s string) []string {
	var parts []string
	var part strings.Builder
	var quote rune
	for _, r := range strings.TrimSpace(s) {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && r == '.':
			parts = append(parts, part.String())
			part.Reset()
		case quote == 0 && (r == ' ' || r == '\t'):
		default:
			part.WriteRune(r)
		}
	}
	return append(parts, part.String())
}

func cutComment(s string) string {
	left, _, _ := strings.Cut(s, "#")
	return left
}

func sharedPrefix(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
