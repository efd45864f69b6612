// Command suite runs every test of the house and ends with one line that counts
// them. A skipped test fails the suite where ARIA_TEST_ROOT is set, because a
// gap nobody sees is a gap.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

func main() {
	bun := flag.String("bun", "bin/bun", "Bun, for the SDK's own tests")
	flag.Parse()
	start := time.Now()
	var all counts
	all.add(goTests("go", "test", "-json", "-timeout=12m", "./...", "github.com/microsoft/typescript-go/arctsc/..."))
	all.add(bunTests(*bun))
	fmt.Printf("took %s\n", time.Since(start).Round(time.Second))
	fmt.Printf("%d passed, %d failed, %d skipped\n", all.passed, all.failed, all.skipped)
	if all.failed > 0 || all.passed == 0 || (all.skipped > 0 && os.Getenv("ARIA_TEST_ROOT") != "") {
		os.Exit(1)
	}
}

// goTests prints one line a package and everything a failed test said.
func goTests(argv ...string) counts {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		return counts{failed: 1}
	}
	c := readEvents(out)
	if err := cmd.Wait(); err != nil && c.failed == 0 {
		fmt.Fprintln(os.Stderr, "suite: go test:", err)
		c.failed++
	}
	return c
}

func readEvents(r io.Reader) counts {
	var c counts
	said := map[string][]string{} // output by package and test
	bad := map[string]bool{}      // packages in which a test failed
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			said[key] = append(said[key], e.Output)
		case "pass", "fail", "skip":
			lines := said[key]
			delete(said, key)
			count(&c, e, lines, said, bad)
		}
	}
	return c
}

// count adds an end. unended is what tests said that have not ended: those of a
// package that died say why.
func count(c *counts, e event, said []string, unended map[string][]string, bad map[string]bool) {
	name := strings.TrimPrefix(e.Package, "github.com/ariacomputecompany/firmware/")
	if e.Test == "" {
		if e.Action == "fail" {
			for key, lines := range unended {
				if strings.HasPrefix(key, e.Package+" ") {
					fmt.Print(strings.Join(lines, ""))
				}
			}
			if !bad[e.Package] {
				fmt.Print(strings.Join(said, ""))
				c.failed++ // it does not build, or it died: no test of it was counted
			}
		}
		if e.Action != "skip" {
			fmt.Printf("%-4s %-32s %6.1fs\n", e.Action, name, e.Elapsed)
		}
		return
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		bad[e.Package] = true
		fmt.Printf("FAIL %s %s\n%s", name, e.Test, strings.Join(said, ""))
	case "skip":
		c.skipped++
		fmt.Printf("SKIP %s %s\n%s", name, e.Test, strings.Join(said, ""))
	}
}

var bunLine = regexp.MustCompile(`(?m)^\s*(\d+) (pass|fail|skip)$`)

func bunTests(bun string) counts {
	cmd := exec.Command(bun, "test")
	cmd.Dir = "sdk"
	out, err := cmd.CombinedOutput()
	var c counts
	for _, m := range bunLine.FindAllStringSubmatch(string(out), -1) {
		n, _ := strconv.Atoi(m[1])
		switch m[2] {
		case "pass":
			c.passed += n
		case "fail":
			c.failed += n
		case "skip":
			c.skipped += n
		}
	}
	if err != nil || c.passed == 0 {
		fmt.Printf("FAIL sdk (bun test)\n%s", out)
		if c.failed == 0 {
			c.failed++
		}
		return c
	}
	fmt.Printf("%-4s %-32s\n", "pass", "sdk (bun test)")
	return c
}
