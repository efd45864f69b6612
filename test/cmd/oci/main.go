// Command oci drives quilt-oci with other people's suites: the validation of the
// OCI's runtime-tools and the integration tests of runc. Both are fetched as Go
// modules, built in the work folder and never kept. What is left out, and why,
// stands in leftout.txt: a failure that is not there fails the gate, and so does an
// entry whose test passes. It needs root, and the Debian packages bats, jq, gawk,
// gcc, busybox-static, libseccomp-dev, uidmap and xz-utils.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The suites, pinned.
const (
	toolsModule = "github.com/opencontainers/runtime-tools@v0.9.1-0.20251114084447-edf4cb3d2116"
	runcModule  = "github.com/opencontainers/runc@v1.5.2"
)

//go:embed leftout.txt
var leftOut string

// result is one program of a suite.
type result struct {
	suite, program             string
	passed, skipped, tolerated int
	failed                     []string
}

func main() {
	bin := flag.String("bin", "bin", "folder of quilt-oci")
	work := flag.String("work", ".build/oci", "work folder")
	only := flag.String("only", "", "programs whose suite and name hold this")
	eyes := flag.Bool("eyes", false, "instead, have CDK and amicontained look around in Quilt's own containers")
	cdk := flag.String("cdk", os.Getenv("CDK"), "with -eyes: folder of CDK's source")
	flag.Parse()
	var err error
	if *eyes {
		err = lookAround(*bin, *work, *cdk)
	} else {
		err = run(*bin, *work, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oci:", err)
		os.Exit(1)
	}
}

func run(bin, work, only string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("containers need root; use sudo")
	}
	for _, tool := range []string{"bats", "jq", "gawk", "gcc", "busybox", "xz", "newuidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed: apt-get install bats jq gawk gcc libc6-dev libseccomp-dev busybox-static uidmap xz-utils", tool)
		}
	}
	runtime, err := filepath.Abs(filepath.Join(bin, "quilt-oci"))
	if err != nil {
		return err
	}
	if work, err = filepath.Abs(work); err != nil {
		return err
	}
	exceptions, err := parseExceptions(leftOut, conditions)
	if err != nil {
		return err
	}
	var all []result
	for _, s := range []func(runtime, work, only string) ([]result, error){runTools, runBats} {
		list, err := s(runtime, work, only)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	return report(all, exceptions)
}

// report prints a line a program and what went wrong, then the sum. A failure that
// leftout.txt does not name fails, and so does an entry whose test passes.
func report(all []result, exceptions []*exception) error {
	bad, stale := 0, 0
	sum := map[string]*[3]int{"runtime-tools": {}, "bats": {}}
	for _, r := range all {
		left := r.tolerate(exceptions)
		s := sum[r.suite]
		s[0] += r.passed
		s[1] += r.passed + len(left)
		s[2] += r.tolerated + r.skipped
		fmt.Printf("%-13s %-32s %4d ok %3d left out %3d not for this machine %3d failed\n", r.suite, r.program, r.passed, r.tolerated, r.skipped, len(left))
		for _, f := range left {
			fmt.Printf("  FAILED %s\n", f)
		}
		for _, e := range exceptions {
			if e.of(r) && !e.met && !e.race {
				fmt.Printf("  STALE it does not fail, so take it out of leftout.txt: %s\n", e.text)
				stale++
			}
		}
		bad += len(left)
	}
	t, b := sum["runtime-tools"], sum["bats"]
	fmt.Printf("oci: runtime-tools %d of %d, bats %d of %d, %d left out\n", t[0], t[1], b[0], b[1], t[2]+b[2])
	if bad+stale > 0 {
		return fmt.Errorf("%d tests failed that should not, %d are left out that pass", bad, stale)
	}
	return nil
}

// printLast prints the line of a test's output that begins with "outside-eyes:".
func printLast(out []byte) error {
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "outside-eyes:") {
			fmt.Print(line)
			return nil
		}
	}
	return fmt.Errorf("nothing looked:\n%s", out)
}
