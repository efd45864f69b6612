package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+) \(([0-9.]+)s\)`)
	hung    = regexp.MustCompile(`(?m)^aria-test: hang .*`)
)

type counts struct{ passed, failed, skipped int }

// verdicts counts top-level tests; one that hung, and a package that ended otherwise
// than by its own verdict, count as one failure.
func verdicts(serial string, want int) (c counts) {
	for _, m := range verdict.FindAllStringSubmatch(serial, -1) {
		switch m[1] {
		case "PASS":
			c.passed++
		case "FAIL":
			c.failed++
		case "SKIP":
			c.skipped++
		}
	}
	c.failed += len(hung.FindAllString(serial, -1))
	for _, e := range endings(serial) {
		if c.failed == 0 && !strings.Contains(e, " code 0 ") {
			c.failed++
		}
	}
	if n := len(endings(serial)); n != want {
		c.failed += want - n
	}
	return c
}

func endings(serial string) (out []string) {
	for line := range strings.Lines(serial) {
		if strings.HasPrefix(line, "aria-test: end ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// failures keeps what failed tests said, with the lines before each verdict.
func failures(serial string) string {
	var out, recent []string
	for line := range strings.Lines(serial) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "=== RUN") && !strings.Contains(line, "/") {
			recent = nil
		}
		recent = append(recent, line)
		switch {
		case strings.HasPrefix(line, "--- FAIL"), strings.HasPrefix(line, "--- SKIP"):
			out = append(out, recent[max(0, len(recent)-15):]...)
		case strings.HasPrefix(line, "aria-test: hang "):
			out = append(out, line+" (where its threads stood: -serial FILE)")
		}
	}
	return strings.Join(out, "\n")
}

// slowest names the n tests that took longest, and how long.
func slowest(serials []string, n int) string {
	type one struct {
		name    string
		seconds float64
	}
	var all []one
	for _, s := range serials {
		for _, m := range verdict.FindAllStringSubmatch(s, -1) {
			seconds, _ := strconv.ParseFloat(m[3], 64)
			all = append(all, one{m[2], seconds})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(b.seconds, a.seconds) })
	var out []string
	for _, o := range all[:min(n, len(all))] {
		out = append(out, fmt.Sprintf("%s %.0f s", o.name, o.seconds))
	}
	return strings.Join(out, ", ")
}
