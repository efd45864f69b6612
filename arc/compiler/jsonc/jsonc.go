// Package jsonc reads the JSON that tsconfig.json is written in. It links nothing,
// so that it can be fuzzed without an instrumented TypeScript compiler.
package jsonc

import "regexp"

var trailingComma = regexp.MustCompile(`,(\s*[}\]])`)

// Plain turns JSON with comments and trailing commas into JSON.
// Strings are kept apart, so that nothing in them is taken for either.
func Plain(text []byte) []byte {
	var out, plain []byte
	flush := func() {
		out = append(out, trailingComma.ReplaceAll(plain, []byte("$1"))...)
		plain = plain[:0]
	}
	for i := 0; i < len(text); {
		switch {
		case text[i] == '"':
			end := stringEnd(text, i)
			// A comma before a string is never a trailing one.
			flush()
			out = append(out, text[i:end]...)
			i = end
		case text[i] == '/' && i+1 < len(text) && text[i+1] == '/':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case text[i] == '/' && i+1 < len(text) && text[i+1] == '*':
			for i += 2; i < len(text) && !(text[i] == '/' && text[i-1] == '*'); {
				i++
			}
			i++
		default:
			plain = append(plain, text[i])
			i++
		}
	}
	flush()
	return out
}

// stringEnd is the offset after the string that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
