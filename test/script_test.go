// Package test drives the real programs from outside, the way a user does. The
// scripts of testdata/script need only arc; those of testdata/daemon need root
// and a running pair of daemons, which they share. Nothing is imported from the
// product.
package test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the expected output that stands in the scripts")

// binDir holds the programs under test: $ARIA_BIN, or a folder that TestMain
// builds them into.
var binDir string

const module = "github.com/ariacomputecompany/firmware"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	flag.Parse()
	if binDir = os.Getenv("ARIA_BIN"); binDir == "" {
		dir, err := os.MkdirTemp("", "aria-bin-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = buildAll(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binDir = dir
	}
	abs, err := filepath.Abs(binDir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binDir = abs
	return m.Run()
}

// buildAll builds the programs; linking arc takes a while, TypeScript is in it.
func buildAll(dir string) error {
	cmd := exec.Command("go", "build", "-o", dir+"/", module+"/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return os.Chmod(dir, 0o755) // the daemons' users must reach them
}

func TestScript(t *testing.T) {
	p := params("testdata/script")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		return nil
	}
	testscript.Run(t, p)
}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                dir,
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"field":    cmdField,
			"flip":     cmdFlip,
			"held":     cmdHeld,
			"needs":    cmdNeeds,
			"until":    cmdUntil,
			"waitfor":  cmdWaitFor,
			"waitfree": cmdWaitFree,
			"waitrun":  cmdWaitRun,
			"waits":    cmdWaits,
		},
	}
}

func commonEnv(env *testscript.Env) {
	env.Setenv("PATH", binDir+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("NO_COLOR", "1")
}

// cmdExits runs a program and wants one exit code: exits 3 arc build. Its
// output is there for stdout, stderr and cmp.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ee *exec.ExitError
		if !errors.As(err, &ee) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = ee.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exited with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// cmdWaits waits until the run whose id is in stdout waits for somebody, and puts
// the id into $RUN: waits.
func cmdWaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: waits")
	}
	id := strings.TrimSpace(ts.ReadFile("stdout"))
	ts.Setenv("RUN", id)
	for range 200 {
		ts.Check(ts.Exec("arc", "ls", "runs", "--state", "waiting"))
		if strings.Contains(ts.ReadFile("stdout"), id) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("run %s does not wait after 10 s", id)
}

// cmdHeld waits until the unit holds tokens and puts the run whose id is in stdout
// into $RUN: held UNIT.
func cmdHeld(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: held UNIT")
	}
	ts.Setenv("RUN", strings.TrimSpace(ts.ReadFile("stdout")))
	untilHeld(ts, args[0], true)
}

// cmdWaitFree waits until the unit holds none any more, and nobody waits: waitfree UNIT.
func cmdWaitFree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfree UNIT")
	}
	untilHeld(ts, args[0], false)
}

func untilHeld(ts *testscript.TestScript, unit string, want bool) {
	for end := time.Now().Add(testenv.Patience(20 * time.Second)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec("arc", "tokens"))
		table := ts.ReadFile("stdout")
		if strings.Contains(table, unit) == want && (want || !strings.Contains(table, "intruder")) {
			return
		}
	}
	ts.Fatalf("%s: held is not %v after 20 s", unit, want)
}

// cmdFlip changes one byte of a file: flip FILE OFFSET, from the end if negative.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	if at < 0 || at >= len(data) {
		ts.Fatalf("%s has %d bytes, no byte %s", args[0], len(data), args[1])
	}
	data[at] ^= 0xff
	ts.Check(os.WriteFile(path, data, 0o644))
}

// cmdNeeds fails the script where a program is missing and ARIA_TEST_ROOT=1
// forbids gaps; elsewhere the script goes on and skips itself: needs minisign.
func cmdNeeds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: needs PROGRAM")
	}
	if _, err := exec.LookPath(args[0]); err != nil && os.Getenv("ARIA_TEST_ROOT") == "1" {
		ts.Fatalf("%s is not there (ARIA_TEST_ROOT=1 is set): make setup-test", args[0])
	}
}

// cmdUntil runs a program until its output matches: until PATTERN program [args...].
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN program [args...]")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(testenv.Patience(20 * time.Second)); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s never said %s", strings.Join(args[1:], " "), args[0])
}

// cmdWaitFor waits until a file is there, or holds a text: waitfor FILE [TEXT].
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor FILE [TEXT]")
	}
	var held []byte
	for end := time.Now().Add(testenv.Patience(20 * time.Second)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if held, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && (len(args) == 1 || strings.Contains(string(held), args[1])) {
			return
		}
	}
	ts.Fatalf("%s never came; %s holds:\n%s", strings.Join(args, " with "), args[0], held)
}
