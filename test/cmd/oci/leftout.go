package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// exception is a line of leftout.txt: a failure that is expected.
type exception struct {
	suite, program, text, why string
	race, met                 bool
}

// race begins the reason of a test that passes or not by who is faster: it may do either.
const race = "race"

// conditions are what leftout.txt can make an entry depend on: on a machine where
// one does not hold, the test has to pass.
var conditions = map[string]func() bool{
	"no CAP_SYS_RESOURCE": func() bool { return !mayRaiseLimits() },
	"no hugetlb group":    func() bool { return !mounted("hugetlb") },
	"no net_cls group":    func() bool { return !mounted("net_cls") },
	"no dummy device":     func() bool { return !dummyDevice() },
	"no github.com":       func() bool { _, err := net.LookupHost("github.com"); return err != nil },
	"no inode64":          func() bool { return !tmpfsShows("inode") },
}

// parseExceptions reads "suite program | text | why", where why may begin with a
// condition in brackets; # begins a comment.
func parseExceptions(text string, known map[string]func() bool) ([]*exception, error) {
	var out []*exception
	holds := map[string]bool{}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		part := strings.Split(line, " | ")
		suite, program, ok := strings.Cut(part[0], " ")
		if len(part) != 3 || !ok {
			return nil, fmt.Errorf("leftout.txt:%d: want SUITE PROGRAM | TEXT | WHY", n+1)
		}
		if name, _, ok := strings.Cut(strings.TrimPrefix(part[2], "["), "] "); ok && part[2][0] == '[' {
			f := known[name]
			if name == race {
				f = func() bool { return true }
			}
			if f == nil {
				return nil, fmt.Errorf("leftout.txt:%d: the condition %q is not known", n+1, name)
			}
			if _, asked := holds[name]; !asked {
				holds[name] = f()
			}
			if !holds[name] {
				continue
			}
		}
		out = append(out, &exception{suite: suite, program: program, text: part[1], why: part[2], race: strings.HasPrefix(part[2], "["+race+"] ")})
	}
	return out, nil
}

func (e *exception) of(r result) bool { return e.suite == r.suite && e.program == r.program }

// fits: a test of bats by its whole name, one of runtime-tools, whose lines hold
// figures and paths, by a part.
func (e *exception) fits(failed string) bool {
	if e.suite != "bats" {
		return strings.Contains(failed, e.text)
	}
	name := strings.TrimPrefix(failed, "not ok ")
	if number, rest, ok := strings.Cut(name, " "); ok {
		if _, err := strconv.Atoi(number); err == nil {
			name = rest
		}
	}
	return strings.TrimSpace(name) == e.text
}

// tolerate counts the failures that are expected and returns the others.
func (r *result) tolerate(exceptions []*exception) (left []string) {
	for _, f := range r.failed {
		i := slices.IndexFunc(exceptions, func(e *exception) bool { return e.of(*r) && e.fits(f) })
		if i < 0 {
			left = append(left, f)
			continue
		}
		exceptions[i].met = true
		r.tolerated++
	}
	return left
}

// mayRaiseLimits looks for the capability in this process's own sets.
func mayRaiseLimits() bool {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
			return err == nil && set>>24&1 == 1
		}
	}
	return false
}

// mounted says that a controller of version 1 can be used; on version 2 the tests
// for it say themselves that they are not for the machine.
func mounted(controller string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), controller) {
			return true
		}
	}
	return false
}

func dummyDevice() bool {
	if exec.Command("ip", "link", "add", "ariaoci0", "type", "dummy").Run() != nil {
		return false
	}
	return exec.Command("ip", "link", "delete", "ariaoci0").Run() == nil
}

// tmpfsShows says that the options of a tmpfs name this, without being asked to.
func tmpfsShows(option string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "tmpfs" && strings.Contains(f[3], option) {
			return true
		}
	}
	return false
}
