// Package words takes English text apart: words, their stems, and which of them
// ask for the same sort of work. The planner and the search for tools share it.
// It knows no model.
package words

import (
	"slices"
	"strings"
	"unicode"
)

// Tokens are a text's words in lower case: camelCase and snake_case are taken
// apart, words that say nothing are left out, endings are cut.
func Tokens(text string) []string {
	var out []string
	for _, w := range Split(text) {
		if !Silent[w] {
			out = append(out, Stem(w))
		}
	}
	return out
}

// Split takes a text apart where letters end or a capital follows a small one.
func Split(text string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if n := len(word); n > 0 && unicode.IsUpper(r) && unicode.IsLower(word[n-1]) {
			flush()
		}
		word = append(word, r)
	}
	flush()
	return out
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// Silent are words that say nothing.
var Silent = set(`a an the is are was were be been to of for in on at by with from and or then please me my mine i we us our you
	your it its this that these those do does did can could would will shall should just so if as into`)

// Stem cuts the commonest English endings; it only has to treat both sides alike.
func Stem(w string) string {
	for _, end := range []string{"ies", "ing", "ed", "es", "s"} {
		if root, ok := strings.CutSuffix(w, end); ok && len(root) >= 3 && !strings.HasSuffix(root, "s") {
			if end == "ies" {
				return root + "y"
			}
			if n := len(root); (end == "ing" || end == "ed") && root[n-1] == root[n-2] && root[n-1] != 'l' {
				return root[:n-1] // stopped, running
			}
			return strings.TrimSuffix(root, "e")
		}
	}
	return strings.TrimSuffix(w, "e")
}

// kin are groups of words that ask for the same sort of work.
var kin = groups(
	`get show fetch find look lookup read view display give tell see check where what status info detail retrieve`,
	`list all every which search browse enumerate`,
	`create make add new place start register insert book buy put store save write`,
	`delete remove drop erase destroy clear`,
	`cancel stop abort revoke void end`,
	`update change set edit modify adjust rename`,
	`send mail email message notify post`,
	`count many total sum`,
	`refund reimburse repay money back`,
	`run execute start launch do perform call invoke`,
)

func groups(lines ...string) map[string][]int {
	m := map[string][]int{}
	for i, l := range lines {
		for _, w := range strings.Fields(l) {
			m[Stem(w)] = append(m[Stem(w)], i)
		}
	}
	return m
}

// Related says whether two stems ask for the same sort of work.
func Related(a, b string) bool {
	for _, g := range kin[a] {
		if slices.Contains(kin[b], g) {
			return true
		}
	}
	return false
}
