package main

import (
	"strings"
	"testing"
)

// What the guest says is counted so that nothing that went wrong can pass.
func TestVerdicts(t *testing.T) {
	const good = "=== RUN   TestA\n--- PASS: TestA (0.1s)\n    --- PASS: TestA/x (0.1s)\naria-test: end quilt/a code 0 1.0 s\n"
	for _, c := range []struct {
		name, serial string
		want         counts
	}{
		{"all well", good, counts{passed: 1}},
		{"a failure", "--- FAIL: TestB (0.1s)\naria-test: end quilt/a code 1 1.0 s\n", counts{failed: 1}},
		{"a hang, whose package was killed", "=== RUN   TestB\naria-test: hang quilt/a TestB\naria-test: end quilt/a signal killed 1.0 s\n", counts{failed: 1}},
		{"a panic without a verdict", "=== RUN   TestB\npanic: x\naria-test: end quilt/a code 2 1.0 s\n", counts{failed: 1}},
		{"a package that never ended", "=== RUN   TestB\n", counts{failed: 1}},
		{"a skip", "--- SKIP: TestB (0.1s)\naria-test: end quilt/a code 0 1.0 s\n", counts{skipped: 1}},
	} {
		if got := verdicts(c.serial, 1); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if said := failures("=== RUN   TestB\naria-test: hang quilt/a TestB\n"); !strings.Contains(said, "hang quilt/a TestB") {
		t.Errorf("a hang is told as %q", said)
	}
	long := "=== RUN   TestB\n=== RUN   TestB/x\n    b_test.go:31: failed: kv\n" + strings.Repeat("level=INFO\n", 50) + "--- FAIL: TestB (9.0s)\n"
	if said := failures(long); !strings.Contains(said, "b_test.go:31: failed: kv") || strings.Count(said, "\n") > 20 {
		t.Errorf("a long failure is told as %q", said)
	}
}

// Only a test that failed by itself is tried once more.
func TestFailedOf(t *testing.T) {
	const two = "--- PASS: TestA (0.1s)\n--- FAIL: TestB (0.1s)\n    --- FAIL: TestB/x (0.1s)\n--- FAIL: TestC (0.1s)\naria-test: end quilt/a code 1 1.0 s\n" +
		"--- PASS: TestD (0.1s)\naria-test: end quilt/b code 0 1.0 s\n"
	got, ok := failedOf(two)
	if !ok || len(got) != 1 || got[0].pkg != "quilt/a" || !strings.HasSuffix(got[0].words, "-test.run=^(TestB|TestC)$") {
		t.Errorf("%+v %v", got, ok)
	}
	for _, serial := range []string{
		"--- FAIL: TestB (0.1s)\npanic: x\naria-test: end quilt/a code 2 1.0 s\n",
		"aria-test: hang quilt/a TestB\naria-test: end quilt/a signal killed 1.0 s\n",
		"--- FAIL: TestB (0.1s)\n",
		"aria-test: end quilt/a code 1 1.0 s\n",
	} {
		if got, ok := failedOf(serial); ok {
			t.Errorf("%q is tried again: %+v", serial, got)
		}
	}
}
