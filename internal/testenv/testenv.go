// Package testenv says what a test needs of the machine: root, and a Bun. A
// need that is not met skips the test on a laptop and fails it where
// ARIA_TEST_ROOT=1, so that no gap is silent in CI.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// NeedRoot skips t unless it runs as root; with ARIA_TEST_ROOT=1 it fails t.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("ARIA_TEST_ROOT") == "1" {
		t.Fatal("this test must run as root (ARIA_TEST_ROOT=1 is set)")
	}
	t.Skip("needs root; set ARIA_TEST_ROOT=1 to make this a failure")
}

// Patience stretches a time limit on a slow machine: times ARIA_TEST_PATIENCE,
// which the boot test sets for its emulated processor. 1 where it is not set.
func Patience(d time.Duration) time.Duration {
	if n, err := strconv.Atoi(os.Getenv("ARIA_TEST_PATIENCE")); err == nil && n > 1 {
		return d * time.Duration(n)
	}
	return d
}

// Bun is the absolute path of the Bun to test with: $ARIA_BUN, or bin/bun at
// the top of the repository. Without one the test fails.
func Bun(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("ARIA_BUN"); p != "" {
		if _, err := os.Stat(p); err != nil {
			t.Fatalf("ARIA_BUN: %v", err)
		}
		return p
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "ARCHITECTURE.md")); err == nil {
			p := filepath.Join(d, "bin", "bun")
			if _, err := os.Stat(p); err == nil {
				return p
			}
			break
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	t.Fatal("no Bun to test with: run make setup, or set ARIA_BUN")
	return ""
}

// Image is a ready-made container image that quiltd can be started with (its
// -image), where the machine has one: the boot test names the boot image's own.
// Empty: quiltd makes its own from Bun.
func Image() string { return os.Getenv("ARIA_TEST_IMAGE") }

// Program is the path of another program that t needs. Where it is missing, t
// is skipped and says which command installs it; with ARIA_TEST_ROOT=1 it fails.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("ARIA_TEST_ROOT") == "1" {
		t.Fatalf("this test needs %s: %s (ARIA_TEST_ROOT=1 is set)", name, install)
	}
	t.Skipf("needs %s: %s", name, install)
	return ""
}

// NeedModules fails or skips t, as Program does, where the npm packages of a
// folder are not installed.
func NeedModules(t testing.TB, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return
	}
	if os.Getenv("ARIA_TEST_ROOT") == "1" {
		t.Fatalf("%s has no node_modules: make setup-test (ARIA_TEST_ROOT=1 is set)", dir)
	}
	t.Skipf("%s has no node_modules: make setup-test", dir)
}
