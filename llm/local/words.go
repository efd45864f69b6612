package local

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// tokens are a text's words in lower case: camelCase and snake_case are taken
// apart, words that say nothing are left out, endings are cut.
func tokens(text string) []string {
	var out []string
	for _, w := range split(text) {
		if !silent[w] {
			out = append(out, stem(w))
		}
	}
	return out
}

// split takes a text apart where letters end or a capital follows a small one.
func split(text string) []string {
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

var silent = set(`a an the is are was were be been to of for in on at by with from and or then please me my mine i we us our you
	your it its this that these those do does did can could would will shall should just so if as into`)

// stem cuts the commonest English endings; it only has to treat both sides alike.
func stem(w string) string {
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
			m[stem(w)] = append(m[stem(w)], i)
		}
	}
	return m
}

// A question asks; it must not change anything.
var (
	asking   = set(`is are was were has have had did does do when where what which who whose how why am`)
	reading  = tokenSet(`get show fetch find look lookup read view check status info detail retrieve track describe`)
	changing = tokenSet(`create make add new place insert save write delete remove drop erase clear cancel stop abort revoke void
		update change set edit modify adjust rename mark send post notify ship deliver pay charge refund reimburse
		approve reject close deploy restart run execute start schedule buy book transfer grant`)
)

func asks(request string) bool {
	words := split(request)
	return len(words) > 0 && asking[words[0]]
}

// related says whether two stems ask for the same sort of work.
func related(a, b string) bool {
	for _, g := range kin[a] {
		if slices.Contains(kin[b], g) {
			return true
		}
	}
	return false
}

// stringsOf are the texts in a JSON value, in the order of the sorted keys.
func stringsOf(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, x := range v {
			out = append(out, stringsOf(x)...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, stringsOf(v[k])...)
		}
	}
	return out
}
