package local

import (
	"maps"
	"slices"

	"github.com/ariacomputecompany/firmware/llm/words"
)

// A question asks; it must not change anything.
var (
	asking   = setOf(`is are was were has have had did does do when where what which who whose how why am`)
	reading  = tokenSet(`get show fetch find look lookup read view check status info detail retrieve track describe`)
	changing = tokenSet(`create make add new place insert save write delete remove drop erase clear cancel stop abort revoke void
		update change set edit modify adjust rename mark send post notify ship deliver pay charge refund reimburse
		approve reject close deploy restart run execute start schedule buy book transfer grant`)
)

func asks(request string) bool {
	said := words.Split(request)
	return len(said) > 0 && asking[said[0]]
}

func setOf(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words.Split(text) {
		m[w] = true
	}
	return m
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
