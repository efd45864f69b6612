package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// seen is what a hostile unit says about one attempt.
type seen struct {
	Attempt string
	Worked  bool
	Saw     string
}

// run is what "arc run --json" prints.
type run struct {
	ID     string
	State  string
	Output json.RawMessage
	Error  struct{ Code, Message, Hint string }
	Bundle string
}

// TestHostile uploads units that try to leave their container, to use it up and
// to speak to the broker around the harness, and looks at what they got.
func TestHostile(t *testing.T) {
	p := needPair(t)
	if out, code := p.arc(t, "upload", "testdata/hostile"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	for _, unit := range []string{"escape.network", "escape.write", "escape.look", "escape.programs"} {
		t.Run(unit, func(t *testing.T) {
			for _, s := range p.attempts(t, unit) {
				if s.Worked {
					t.Errorf("%s worked: %s", s.Attempt, s.Saw)
				}
			}
		})
	}
	t.Run("forge.calls", func(t *testing.T) {
		for i, s := range p.attempts(t, "forge.calls") {
			if s.Worked != (i == 0) {
				t.Errorf("%s: worked is %v: %s", s.Attempt, s.Worked, s.Saw)
			}
		}
	})
	for _, c := range []struct {
		unit, input, code string
		exit              int
	}{
		{"forge.twice", `{}`, "failed", 1},
		{"forge.unknown", `{}`, "failed", 1},
		{"forge.giant", `{}`, "failed", 1},
		{"forge.garbage", `{}`, "failed", 1},
		{"exhaust.memory", `{}`, "exhausted", 1},
		{"exhaust.spin", `{}`, "timeout", 6},
		{"exhaust.wait", `{}`, "timeout", 6},
		{"exhaust.big", `{"mib":8}`, "exhausted", 1},
		{"exhaust.crash", `{}`, "failed", 1},
	} {
		t.Run(c.unit, func(t *testing.T) {
			r, exit := p.run(t, c.unit, c.input)
			if r.State != "failed" || r.Error.Code != c.code || exit != c.exit {
				t.Errorf("ended as %s, code %q (%s), exit code %d; want failed, %q, %d",
					r.State, r.Error.Code, r.Error.Message, exit, c.code, c.exit)
			}
		})
	}
	// A unit may lie about its own result, and about nothing else.
	for unit, want := range map[string]string{"forge.lie": `"forged"`, "exhaust.flood": `64`, "exhaust.calls": `3000`} {
		t.Run(unit, func(t *testing.T) {
			if r, _ := p.run(t, unit, `{}`); r.State != "done" || string(r.Output) != want {
				t.Errorf("ended as %s with %s (%s), want done with %s", r.State, r.Output, r.Error.Message, want)
			}
		})
	}
	// It is refused at the limit: the unit may live to tell, or die of it.
	t.Run("exhaust.workers", func(t *testing.T) {
		r, _ := p.run(t, "exhaust.workers", `{}`)
		if r.State == "failed" && r.Error.Code == "exhausted" {
			return
		}
		var rows []seen
		if err := json.Unmarshal(r.Output, &rows); err != nil || len(rows) != 2 {
			t.Fatalf("ended as %s, code %q, with %s", r.State, r.Error.Code, r.Output)
		}
		for _, s := range rows {
			if s.Worked {
				t.Errorf("%s worked: %s", s.Attempt, s.Saw)
			}
		}
	})
	t.Run("and the house stands", func(t *testing.T) {
		if r, exit := p.run(t, "forge.calls", `{}`); r.State != "done" || exit != 0 {
			t.Errorf("the next run ended as %s, exit code %d", r.State, exit)
		}
	})
}

// attempts runs a unit that gives a list of what it saw.
func (p pair) attempts(t *testing.T, unit string) []seen {
	t.Helper()
	r, _ := p.run(t, unit, `{}`)
	if r.State != "done" {
		t.Fatalf("ended as %s: %s %s", r.State, r.Error.Code, r.Error.Message)
	}
	var rows []seen
	if err := json.Unmarshal(r.Output, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("it attempted nothing")
	}
	return rows
}

func (p pair) run(t *testing.T, unit, input string) (run, int) {
	t.Helper()
	out, code := p.arc(t, "run", unit, "--input", input, "--json", "-q")
	var r run
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("arc run %s: exit code %d, not a run: %v\n%s", unit, code, err, out)
	}
	return r, code
}

// arc runs arc against the pair; it gives stdout, or what else was said if
// there is none, and the exit code.
func (p pair) arc(t *testing.T, args ...string) ([]byte, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(binDir, "arc"), append(args, "--server", p.server, "--credential-file", p.credential)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	if stdout.Len() == 0 {
		return stderr.Bytes(), cmd.ProcessState.ExitCode()
	}
	return stdout.Bytes(), cmd.ProcessState.ExitCode()
}
