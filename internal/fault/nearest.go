package fault

import "strings"

// Nearest is the word of known that word was most likely meant to be, or ""
// when none is close. Of equally close ones the first in the alphabet wins.
func Nearest(word string, known []string) string {
	best, least := "", min(len(word)/3+2, len(word))
	if len(word) == 1 {
		least = 0
	}
	for _, k := range known {
		if d := Distance(word, k); d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	return best
}

// Distance counts insertions, deletions, substitutions and swaps of neighbours
// that turn a into b (optimal string alignment), in bytes, without regard to case.
func Distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
