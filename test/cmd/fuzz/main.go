// Command fuzz finds every fuzz target of the house and runs each for a while. A
// finding is written by go test to the testdata of its package and stays there
// as corpus.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

type target struct{ dir, name string }

func main() {
	top := flag.String("top", ".", "folder of the repository")
	each := flag.Duration("t", 30*time.Second, "time for each target")
	workers := flag.Int("parallel", 2, "workers of each target")
	only := flag.String("run", "", "only targets whose folder and name match this")
	flag.Parse()
	found, err := targets(*top, *only)
	if err != nil || len(found) == 0 {
		fmt.Fprintln(os.Stderr, "fuzz: no targets:", err)
		os.Exit(1)
	}
	failed := 0
	for _, t := range found {
		start := time.Now()
		out, err := run(*top, t, *each, *workers)
		verdict := "ok"
		if err != nil {
			verdict = "FAIL"
			failed++
			fmt.Print(out)
		}
		fmt.Printf("%-4s %-28s %-16s %s, %s executions\n", verdict, t.dir, t.name, time.Since(start).Round(time.Second), executions(out))
	}
	fmt.Printf("fuzz: %d targets, %s each, %d with findings\n", len(found), *each, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

var declared = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

func targets(top, only string) ([]target, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var out []target
	err = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "bin" || p != top && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(p, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(top, filepath.Dir(p))
		if err != nil {
			return err
		}
		for _, m := range declared.FindAllSubmatch(text, -1) {
			if t := (target{dir, string(m[1])}); match.MatchString(t.dir + " " + t.name) {
				out = append(out, t)
			}
		}
		return nil
	})
	return out, err
}

// run takes few workers: what fuzzes is often one compiler of 60 MB a worker.
func run(top string, t target, each time.Duration, workers int) (string, error) {
	cmd := exec.Command("go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+each.String(), fmt.Sprint("-parallel=", workers), ".")
	cmd.Dir = filepath.Join(top, t.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var counted = regexp.MustCompile(`execs: (\d+)`)

func executions(out string) string {
	if all := counted.FindAllStringSubmatch(out, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return "0"
}
