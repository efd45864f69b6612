package registry

import (
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// suggest is the hint for a name that is not there: the nearest one, or the
// first few there are.
func suggest(name string, names []string, lead string) string {
	best, dist := "", len(name)/3+2
	for _, n := range names {
		if d := fault.Distance(name, n); d < dist || strings.HasSuffix(n, "."+name) {
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
