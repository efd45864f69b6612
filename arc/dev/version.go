package dev

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Version is that of a build in the loop: below the version that the project
// states, so that the real one wins once it is uploaded; or, if that is taken,
// above it and below the one that follows. N rises with time.
//
//	0.1.0         0.1.0-dev.N          taken: 0.1.1-dev.N
//	1.0.0-beta.2  1.0.0-beta.2.dev.N   taken: the same, which is above
func Version(stated string, taken bool, at time.Time) string {
	n := strconv.FormatInt(at.UnixMilli(), 10)
	stated, _, _ = strings.Cut(stated, "+")
	if strings.Contains(stated, "-") {
		return stated + ".dev." + n
	}
	i := strings.LastIndexByte(stated, '.') + 1
	patch, err := strconv.ParseUint(stated[i:], 10, 63)
	if taken && err == nil {
		stated = stated[:i] + strconv.FormatUint(patch+1, 10)
	}
	return stated + "-dev." + n
}

var ofLoop = regexp.MustCompile(`[-.]dev\.\d+$`)

// IsVersion tells a version that Version made.
func IsVersion(v string) bool { return ofLoop.MatchString(v) }
