package pid1

import "strings"

// parseCmdline splits the kernel's command line: words by white space, quotes
// hold a word together, the last of a name wins. A word without "=" is "".
func parseCmdline(text string) map[string]string {
	out := map[string]string{}
	var word strings.Builder
	quoted := false
	end := func() {
		if word.Len() > 0 {
			k, v, _ := strings.Cut(word.String(), "=")
			out[k] = v
			word.Reset()
		}
	}
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ' ' || r == '\t' || r == '\n'):
			end()
		default:
			word.WriteRune(r)
		}
	}
	end()
	return out
}
