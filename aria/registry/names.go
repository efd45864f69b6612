package registry

import "strings"

// suggest is the hint for a name that is not there: the nearest one, or the
// first few there are.
func suggest(name string, names []string, lead string) string {
	best, dist := "", len(name)/3+2
	for _, n := range names {
		if d := distance(name, n); d < dist || strings.HasSuffix(n, "."+name) {
			best, dist = n, d
		}
	}
	if best != "" {
		return `did you mean "` + best + `"?`
	}
	if len(names) == 0 {
		return "nothing is registered yet; upload a bundle with arc upload"
	}
	more := ""
	if len(names) > 8 {
		names, more = names[:8], " …"
	}
	return lead + " " + strings.Join(names, ", ") + more
}

// distance is the number of edits between two names (Levenshtein, by bytes).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
