package registry

import (
	"cmp"
	"slices"
	"strconv"
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

// compareVersions orders versions as semver.org 2.0 item 11 does; build
// metadata does not count.
func compareVersions(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	coreA, preA, isPreA := strings.Cut(a, "-")
	coreB, preB, isPreB := strings.Cut(b, "-")
	if c := compareDotted(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case isPreA && !isPreB:
		return -1
	case !isPreA && isPreB:
		return 1
	}
	return compareDotted(preA, preB)
}

func compareDotted(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		nx, errX := strconv.ParseUint(x, 10, 64)
		ny, errY := strconv.ParseUint(y, 10, 64)
		switch {
		case errX == nil && errY == nil:
			return cmp.Compare(nx, ny)
		case errX == nil:
			return -1
		case errY == nil:
			return 1
		}
		return cmp.Compare(x, y)
	})
}
