package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// TestDrain: a draining ariad refuses new runs and says when to ask again, while
// what goes on ends; one that is stopped leaves what goes on to the next start,
// with every effect once.
func TestDrain(t *testing.T) {
	testenv.NeedRoot(t)
	data := t.TempDir()
	for dir := data; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the daemons' users must reach it
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "ariad.toml"), []byte("grace = \"1s\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	pair := startPairIn(t, data)
	ctx := t.Context()
	dir, err := system.Project(counted)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := pair.Upload(ctx, dir); err != nil {
		t.Fatal(err)
	}
	id := begin(t, pair.Instance, "ten", `{"run":"d"}`)
	if out := arc(t, pair.Instance, "", "drain"); !strings.Contains(out, "new runs are refused; 1 go on") {
		t.Errorf("%s", out)
	}
	if code, after := post(t, pair); code != http.StatusServiceUnavailable || after == "" {
		t.Errorf("a new run: %d, Retry-After %q", code, after)
	}
	arc(t, pair.Instance, "", "drain", "--wait", "60s")
	if r, err := pair.Follow(ctx, id); err != nil || string(r.Output) != "10" {
		t.Errorf("%v %v", r, err)
	}
	if out := arc(t, pair.Instance, "", "drain", "--undo"); !strings.Contains(out, "new runs are taken") {
		t.Errorf("%s", out)
	}
	var ids []string
	for n := range 4 {
		ids = append(ids, begin(t, pair.Instance, "ten", fmt.Sprintf(`{"run":"s%d"}`, n)))
	}
	if err := pair.Stop(); err != nil {
		t.Fatal(err)
	}
	pair = startPairIn(t, data)
	for n, id := range ids {
		r, err := pair.Follow(ctx, id)
		if err != nil || r.State != "done" || string(r.Output) != "10" {
			t.Errorf("run %d: %v %v", n, r, err)
		}
		if sum, err := system.Done(pair.Run(ctx, "count.of", fmt.Sprintf(`{"run":"s%d"}`, n))); err != nil || sum != "10" {
			t.Errorf("run %d counted %s, %v", n, sum, err)
		}
	}
}

func post(t *testing.T, p pair) (int, string) {
	t.Helper()
	cred, err := os.ReadFile(p.credential)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.server+"/aria.v1.TaskService/Start", strings.NewReader(`{"unit":"ten","input":"eyJydW4iOiJ4In0="}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(cred)))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After")
}
