// Command mutants plants faults in the scheduler, the broker, the engine, the policy and the store, one
// at a time and in memory only (go test -overlay), and fails if the tests of
// their packages do not notice one of them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// limit of one mutant's tests: a fault that makes them hang is caught too.
const limit = 3 * time.Minute

func main() {
	only := flag.String("only", "", "run the mutants whose name has this in it")
	egress := flag.Bool("net", false, "plant those of quilt/net, quilt/gate and quilt/secret instead")
	flag.Parse()
	table, healthy := table, []string{"./" + sched, "./" + broker, "./" + engine, "./policy", "./quilt/lock", "./" + filepath.Dir(store)}
	if *egress {
		table, healthy = netTable, []string{"./quilt/net", "./quilt/gate", "./quilt/secret"}
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", append([]string{"test", "-count=1"}, healthy...)...).CombinedOutput(); err != nil {
		fmt.Printf("the tests fail with no fault planted:\n%s\nmutants: 0 of %d caught\n", out, len(table))
		os.RemoveAll(dir)
		os.Exit(1)
	}
	caught, all := 0, 0
	for _, m := range table {
		if !strings.Contains(m.name, *only) {
			continue
		}
		all++
		why, err := m.run(dir)
		switch {
		case err != nil:
			fmt.Printf("%-28s cannot run: %v\n", m.name, err)
		case why == "":
			fmt.Printf("%-28s NOT CAUGHT\n", m.name)
		default:
			caught++
			fmt.Printf("%-28s caught by %s\n", m.name, why)
		}
	}
	fmt.Printf("mutants: %d of %d caught\n", caught, all)
	if caught != all || all == 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
}

// run tests the package with the fault in it and says which test failed; "" if
// none did. A fault that does not compile is an error: it tests nothing.
func (m mutant) run(dir string) (string, error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return "", fmt.Errorf("%q is in %s %d times, want once", m.old, m.file, n)
	}
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, bytes.Replace(text, []byte(m.old), []byte(m.new), 1), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	table := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(table, overlay, 0o600); err != nil {
		return "", err
	}
	pkg := "./" + filepath.Dir(m.file)
	if out, err := exec.Command("go", "build", "-overlay", table, pkg).CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %s", bytes.TrimSpace(out))
	}
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	args := []string{"test", "-overlay", table, "-count=1", "-timeout=60s", pkg}
	if strings.HasPrefix(m.file, broker) {
		args = append(args, "./"+engine) // whose tests take locks through it
	}
	test := exec.CommandContext(ctx, "go", args...)
	test.Env = append(os.Environ(), "RAPID_NOFAILFILE=true")
	out, err := test.CombinedOutput()
	var exit *exec.ExitError
	if err == nil || !errors.As(err, &exit) {
		return "", err
	}
	return failed(string(out)), nil
}

// failed names the first test that failed, or what else ended the tests.
func failed(out string) string {
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			return name
		}
	}
	if strings.Contains(out, "panic:") {
		return "a panic"
	}
	return "the package's tests"
}
