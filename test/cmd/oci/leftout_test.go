package main

import (
	"strings"
	"testing"
)

// The gate is worth as much as this: what is left out must fail, by its whole
// name, and only where its condition holds.
func TestReport(t *testing.T) {
	known := map[string]func() bool{"here": func() bool { return true }, "elsewhere": func() bool { return false }}
	const list = "bats run | runc run | a reason\nbats exec | runc exec | [here] a reason\nbats ps | runc ps | [elsewhere] a reason\nbats pause | runc pause | [race] a reason\n"
	cases := map[string]struct {
		results []result
		want    string
	}{
		"as expected":           {[]result{{suite: "bats", program: "run", failed: []string{"not ok 1 runc run"}}}, ""},
		"a condition holds":     {[]result{{suite: "bats", program: "exec", failed: []string{"not ok 3 runc exec"}}}, ""},
		"it does not":           {[]result{{suite: "bats", program: "ps", failed: []string{"not ok 3 runc ps"}}}, "1 tests failed that should not, 0 are"},
		"another test":          {[]result{{suite: "bats", program: "run", failed: []string{"not ok 1 runc run", "not ok 2 runc run --keep"}}}, "1 tests failed that should not, 0 are"},
		"a left-out one passes": {[]result{{suite: "bats", program: "run", passed: 2}}, "0 tests failed that should not, 1 are"},
		"a race that is lost":   {[]result{{suite: "bats", program: "pause", failed: []string{"not ok 1 runc pause"}}}, ""},
		"or won":                {[]result{{suite: "bats", program: "pause", passed: 1}}, ""},
		"not run":               {[]result{{suite: "bats", program: "list", passed: 2}}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			exceptions, err := parseExceptions(list, known)
			if err != nil {
				t.Fatal(err)
			}
			err = report(c.results, exceptions)
			if err != nil && c.want == "" || err == nil && c.want != "" || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLeftOut(t *testing.T) {
	list, err := parseExceptions(leftOut, conditions)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range list {
		key := e.suite + " " + e.program + " " + e.text
		if seen[key] || len(e.why) < 12 || strings.Contains(e.why, "NOT YET") {
			t.Errorf("%s: an entry comes once and with a reason, got %q", key, e.why)
		}
		seen[key] = true
	}
	if _, err := parseExceptions("bats run | x | [no moon] y", conditions); err == nil {
		t.Error("an unknown condition was taken")
	}
}
