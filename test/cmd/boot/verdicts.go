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

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

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

// failedOf are jobs of the tests that failed by their own verdict. False: something
// else went wrong too.
func failedOf(serial string) (out []job, ok bool) {
	var names []string
	for line := range strings.Lines(serial) {
		if m := verdict.FindStringSubmatch(line); m != nil && m[1] == "FAIL" {
			names = append(names, m[2])
		}
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "aria-test: end ") || len(words) < 5 {
			continue
		}
		if code := words[3] + words[4]; code != "code0" && (code != "code1" || len(names) == 0) {
			return nil, false
		}
		if len(names) > 0 {
			out = append(out, job{words[2], fewer + " -test.run=^(" + strings.Join(names, "|") + ")$", strings.Join(names, ", ")})
		}
		names = nil
	}
	return out, len(names) == 0 && !hung.MatchString(serial)
}

var complaint = regexp.MustCompile(`^\s+\w+_test\.go:\d+: `)

// failures keeps what failed tests said: the lines before each verdict, and before
// those what the test complained of, with the two lines after it.
func failures(serial string) string {
	var out, recent, said []string
	after := -1
	for line := range strings.Lines(serial) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "=== RUN") && !strings.Contains(line, "/") {
			recent, said = nil, nil
		}
		recent = append(recent, line)
		if after--; complaint.MatchString(line) {
			after = 2
		}
		if after >= 0 {
			said = append(said, line)
		}
		switch {
		case strings.HasPrefix(line, "--- FAIL"), strings.HasPrefix(line, "--- SKIP"):
			if len(recent) > 15 {
				out = append(out, said...)
			}
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
