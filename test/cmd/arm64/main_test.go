package main

import (
	"strings"
	"testing"
)

// TestTally: nothing that a guest says, or does not come to say, counts as passed
// but what passed.
func TestTally(t *testing.T) {
	both := func(text string) string {
		for _, s := range suites {
			text += "arm64: end " + s.dir + ": <nil>\r\n"
		}
		return text
	}
	for _, c := range []struct {
		name, serial string
		passed       int
		says         string // of the error; empty: none
	}{
		{"all is well", both("=== RUN   TestA\r\n--- PASS: TestA (0.1s)\r\n    --- PASS: TestA/part (0.1s)\r\nhostile: 3 of 3 as expected\r\n"), 1, ""},
		{"a test fails", both("--- PASS: TestA (0.1s)\r\n--- FAIL: TestB (0.1s)\r\n"), 1, "failed in the guest: TestB"},
		{"a test is skipped", both("--- SKIP: TestA (0.1s)\r\n"), 0, "failed in the guest: TestA"},
		{"a program ends badly", "arm64: end quilt/sandbox: exit status 2\r\n", 0, "failed in the guest: quilt/sandbox"},
		{"the machine ends before", "--- PASS: TestA (0.1s)\r\n", 1, "suites came to an end"},
		{"it says nothing", "", 0, "0 of "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got tally
			err := got.read(strings.NewReader(c.serial))
			if got.passed != c.passed || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%d passed, %v; want %d and %q", got.passed, err, c.passed, c.says)
			}
		})
	}
}
