// Command spin checks the two models in quilt/scheduler/spin with the Spin model
// checker, and that the variants which leave a rule out fail. It needs spin and
// a C compiler (Debian packages spin and gcc).
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// check is one run: the model, what is left out, the claim, and whether it must hold.
type check struct {
	model, without, claim string
	holds                 bool
}

var checks = []check{
	{"queue", "", "apart", true},
	{"queue", "", "served", true},
	{"queue", "BARGE", "served", false},
	{"fence", "", "inorder", true},
	{"fence", "UNFENCED", "inorder", false},
	{"fence", "FORGETFUL", "inorder", false},
}

func main() {
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "spin: %s is not installed\nhint: apt-get install spin gcc\n", tool)
			os.Exit(1)
		}
	}
	right, total := 0, 0
	for _, c := range checks {
		states, holds, err := c.run()
		if err != nil {
			fmt.Fprintf(os.Stderr, "spin: %s: %v\n", c.model, err)
			os.Exit(1)
		}
		verdict := "fails"
		if holds {
			verdict = "holds"
		}
		if holds == c.holds {
			right++
		} else {
			verdict += ", and must not"
		}
		total += states
		fmt.Printf("%-6s %-10s %-10s %8d states  %s\n", c.model, c.claim, c.without, states, verdict)
	}
	fmt.Printf("spin: %d states, %d of %d verdicts right\n", total, right, len(checks))
	if right != len(checks) {
		os.Exit(1)
	}
}

var (
	errorsFound = regexp.MustCompile(`errors: (\d+)`)
	stored      = regexp.MustCompile(`(\d+) states, stored`)
)

func (c check) run() (states int, holds bool, err error) {
	dir, err := os.MkdirTemp("", "spin")
	if err != nil {
		return 0, false, err
	}
	defer os.RemoveAll(dir)
	model, err := filepath.Abs(filepath.Join("quilt/scheduler/spin", c.model+".pml"))
	if err != nil {
		return 0, false, err
	}
	args := []string{"-a", model}
	if c.without != "" {
		args = []string{"-D" + c.without, "-a", model}
	}
	steps := [][]string{
		append([]string{"spin"}, args...),
		{"gcc", "-O2", "-w", "-DNFAIR=3", "-o", "pan", "pan.c"},
		{"./pan", "-a", "-f", "-m1000000", "-N", c.claim},
	}
	var out []byte
	for _, s := range steps {
		cmd := exec.Command(s[0], s[1:]...)
		cmd.Dir = dir
		if out, err = cmd.CombinedOutput(); err != nil {
			return 0, false, fmt.Errorf("%s: %w\n%s", s[0], err, bytes.TrimSpace(out))
		}
	}
	found, kept := errorsFound.FindSubmatch(out), stored.FindSubmatch(out)
	if found == nil || kept == nil || bytes.Contains(out, []byte("max search depth too small")) {
		return 0, false, fmt.Errorf("the search did not end:\n%s", out)
	}
	states, err = strconv.Atoi(string(kept[1]))
	return states, string(found[1]) == "0", err
}
