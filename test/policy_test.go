package test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPolicy: a policy is taken up while everything runs, and a wrong one leaves
// the one before it in force and is told of; what happens to tokens can be
// followed, counted and audited.
func TestPolicy(t *testing.T) {
	data, err := os.MkdirTemp("", "aria-policy") // the daemons' users must get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "policy.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("[tenant.default]\nallow = [\"kv:*:rw\"]\n")
	p := startPairIn(t, data)
	if out, code := p.arc(t, "upload", "testdata/projects/work"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	events := p.follow(t)
	if r, code := p.run(t, "counter.bump", `{"key":"a"}`); code != 0 {
		t.Fatalf("under a policy that allows it: %+v", r)
	}
	write("[tenant.default]\nallow = [\"kv:elsewhere:rw\"]\n")
	p.until(t, "a narrower policy refuses", func() bool {
		r, code := p.run(t, "counter.bump", `{"key":"a"}`)
		return code == 4 && r.Error.Code == "denied" && strings.Contains(r.Error.Message, "tenant.default of the policy (line 1)")
	})
	write("[tenant.default]\nalow = []\n")
	p.until(t, "arc info tells of the wrong one", func() bool {
		out, _ := p.arc(t, "info")
		return strings.Contains(string(out), `policy.toml:2:1: unknown word "alow"`)
	})
	if _, code := p.run(t, "counter.bump", `{"key":"a"}`); code != 4 {
		t.Errorf("the policy before the wrong one does not hold any more: exit code %d", code)
	}
	kinds := events()
	for _, want := range []string{`"kind":"granted"`, `"kind":"released"`, `"kind":"snapshot"`} {
		if !strings.Contains(kinds, want) {
			t.Errorf("arc tokens --watch --json has no %s:\n%s", want, kinds)
		}
	}
	p.checkMetrics(t)
	checkAudit(t, filepath.Join(data, "quilt", "audit.jsonl"))
}

func (p pair) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 100 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: not within 10 s", what)
}

// follow runs arc tokens --watch beside the test; the result ends it and gives
// what it said.
func (p pair) follow(t *testing.T) func() string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "arc"), "tokens", "--watch", "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "ARIA_SERVER="+p.server, "ARIA_CREDENTIAL_FILE="+p.credential)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	return func() string {
		stop()
		_ = cmd.Wait() // it was interrupted
		return out.String()
	}
}

func (p pair) checkMetrics(t *testing.T) {
	t.Helper()
	get := func(credential string) (int, string) {
		r, err := http.NewRequest("GET", p.server+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			r.Header.Set("Authorization", "Bearer "+credential)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if code, _ := get(""); code != http.StatusUnauthorized {
		t.Errorf("metrics without a credential: %d", code)
	}
	bearer, err := os.ReadFile(p.credential)
	if err != nil {
		t.Fatal(err)
	}
	code, text := get(strings.TrimSpace(string(bearer)))
	for _, want := range []string{"quilt_up 1\n", "\nquilt_token_granted_total ", "quilt_policy_ok 0\n", "# TYPE quilt_token_granted_total counter\n"} {
		if code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("metrics (%d) have no %q:\n%s", code, want, text)
		}
	}
}

// checkAudit: every line has the chain from tenant to execution.
func checkAudit(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		var r struct {
			Kind      string
			Authority []string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || len(r.Authority) != 5 || r.Authority[0] != "tenant default" ||
			!strings.HasPrefix(r.Authority[1], "policy sha256:") || !strings.HasPrefix(r.Authority[2], "bundle sha256:") {
			t.Errorf("audit line %s: %v", line, err)
		}
	}
}
