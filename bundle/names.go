package bundle

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names are checked by hand and not by regular expressions: bounded repeats
// compile to programs of megabytes, which every start of every program would
// pay for.

const maxName = 64 // characters of one part of a name

// ValidName: "orders" or "acme/orders", lower-case letters, digits and ". _ -",
// beginning with a letter or digit.
func ValidName(s string) bool {
	if ns, name, ok := strings.Cut(s, "/"); ok {
		return validPart(ns, lowerDigit, namePart) && validPart(name, lowerDigit, namePart)
	}
	return validPart(s, lowerDigit, namePart)
}

// ValidVersion: three numbers, then perhaps "-prerelease" and "+build".
func ValidVersion(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	s, pre, hasPre := strings.Cut(s, "-")
	if hasBuild && !validPart(build, versionTail, versionTail) || hasPre && !validPart(pre, versionTail, versionTail) {
		return false
	}
	numbers := strings.Split(s, ".")
	if len(numbers) != 3 {
		return false
	}
	for _, n := range numbers {
		if !validPart(n, digit, digit) || len(n) > 9 || len(n) > 1 && n[0] == '0' {
			return false
		}
	}
	return true
}

// ValidUnitName: one to four parts joined by dots, each like an identifier, in
// which "-" is allowed.
func ValidUnitName(s string) bool {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if !validPart(p, letter, func(c rune) bool { return letter(c) || digit(c) || c == '-' }) {
			return false
		}
	}
	return len(parts) <= 4
}

// validIdentifier: what can name an export, a method or a parameter.
func validIdentifier(s string) bool {
	first := func(c rune) bool { return unicode.IsLetter(c) || c == '_' || c == '$' }
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 2*maxName &&
		all(s, first, func(c rune) bool { return first(c) || unicode.In(c, unicode.Mn, unicode.Nd) })
}

func validPart(s string, first, rest func(rune) bool) bool {
	return len(s) <= maxName && all(s, first, rest)
}

func all(s string, first, rest func(rune) bool) bool {
	for i, c := range s {
		if i == 0 && !first(c) || i > 0 && !rest(c) {
			return false
		}
	}
	return s != ""
}

func digit(c rune) bool       { return c >= '0' && c <= '9' }
func lowerDigit(c rune) bool  { return c >= 'a' && c <= 'z' || digit(c) }
func letter(c rune) bool      { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func namePart(c rune) bool    { return lowerDigit(c) || c == '.' || c == '_' || c == '-' }
func versionTail(c rune) bool { return letter(c) && c != '_' || digit(c) || c == '.' || c == '-' }
