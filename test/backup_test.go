package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

var counted = map[string]string{
	"aria.toml": "name = \"counted\"\nversion = \"1.0.0\"\n",
	"src/counted.ts": `import { approval, kv, pipeline, Pipeline, sleep, tool, use } from '@aria/sdk';

export class Count {
  sums = kv<number>('counted/sums', 'rw');
  @tool()
  async up(run: string): Promise<number> {
    const n = ((await this.sums.get(run)) ?? 0) + 1;
    await this.sums.set(run, n);
    return n;
  }
  @tool()
  async of(run: string): Promise<number> { return (await this.sums.get(run)) ?? 0; }
}

@pipeline()
export class Ten extends Pipeline<{ run: string }, number> {
  count = use(Count);
  async run(i: { run: string }): Promise<number> {
    let n = 0;
    for (let k = 0; k < 10; k++) { n = await this.count.up(i.run); await sleep('100ms'); }
    return n;
  }
}

@pipeline()
export class Asks extends Pipeline<{}, boolean> {
  async run(i: {}): Promise<boolean> { return (await approval('role:boss', {})).ok; }
}
`,
}

// TestBackup copies the data of a pair under way, three times, and opens each
// copy: every run that the copy knows ends by itself with each effect once, and
// what waited for a person still does.
func TestBackup(t *testing.T) {
	testenv.NeedRoot(t)
	pair := startPair(t)
	ctx := t.Context()
	dir, err := system.Project(counted)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := pair.Upload(ctx, dir); err != nil {
		t.Fatal(err)
	}
	arc(t, pair.Instance, "sk-very-secret", "secret", "set", "API_KEY")
	const runs = 6
	ids := make([]string, runs)
	for n := range ids {
		ids[n] = begin(t, pair.Instance, "ten", fmt.Sprintf(`{"run":"r%d"}`, n))
	}
	waiting := begin(t, pair.Instance, "asks", `{}`)
	place := t.TempDir()
	for at := place; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil { // the daemons' users must get there
			t.Fatal(err)
		}
	}
	var files []string
	for n := range 3 {
		time.Sleep(300 * time.Millisecond)
		f := filepath.Join(place, fmt.Sprintf("b%d.tgz", n))
		arc(t, pair.Instance, "", "backup", f)
		files = append(files, f)
	}
	key, err := os.ReadFile(filepath.Join(pair.Dir, "quilt", "secrets.key"))
	if err != nil {
		t.Fatal(err)
	}
	for n, f := range files {
		restored(t, f, filepath.Join(place, fmt.Sprintf("d%d", n)), key, ids, waiting)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(place, "cut.tgz")
	if err := os.WriteFile(cut, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := pair.Arc(ctx, "restore", cut, "--data", filepath.Join(place, "cut")).CombinedOutput(); err == nil || !strings.Contains(string(out), "no whole backup") {
		t.Errorf("a cut archive: %v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(place, "cut")); err == nil {
		t.Error("a cut archive left a folder")
	}
}

func restored(t *testing.T, file, data string, key []byte, ids []string, waiting string) {
	t.Helper()
	ctx := t.Context()
	if out, err := exec.CommandContext(ctx, filepath.Join(binDir, "arc"), "restore", file, "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(data, "quilt", "secrets.key")); err == nil {
		t.Error("the archive holds the key of the secrets")
	}
	path := filepath.Join(data, "quilt", "secrets.key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 64102, 64102); err != nil {
		t.Fatal(err)
	}
	pair := startPairIn(t, data)
	defer pair.Stop()
	for n, id := range ids {
		r, err := pair.Follow(ctx, id)
		if err != nil || r.State != "done" || string(r.Output) != "10" {
			t.Errorf("%s: run %d: %v %v", filepath.Base(file), n, r, err)
			continue
		}
		if sum, err := system.Done(pair.Run(ctx, "count.of", fmt.Sprintf(`{"run":"r%d"}`, n))); err != nil || sum != "10" {
			t.Errorf("%s: run %d counted %s times, %v", filepath.Base(file), n, sum, err)
		}
	}
	r, err := pair.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: waiting}))
	if err != nil || r.Msg.Run.State != "waiting" {
		t.Fatalf("what waited: %v %v", r, err)
	}
	arc(t, pair.Instance, "", "approve", waiting)
	if r, err := pair.Follow(ctx, waiting); err != nil || string(r.Output) != "true" {
		t.Errorf("what waited: %v %v", r, err)
	}
	if out := arc(t, pair.Instance, "", "secret", "ls"); !strings.Contains(out, "API_KEY") {
		t.Errorf("the secrets: %s", out)
	}
}

func begin(t *testing.T, inst *system.Instance, unit, input string) string {
	t.Helper()
	r, err := inst.Tasks.Start(t.Context(), connect.NewRequest(&ariav1.StartRequest{Unit: unit, Input: []byte(input)}))
	if err != nil {
		t.Fatal(err)
	}
	return r.Msg.Run.Id
}

// arc runs a command that must work, with something on its stdin.
func arc(t *testing.T, inst *system.Instance, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience(30*time.Second))
	defer cancel()
	c := inst.Arc(ctx, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("arc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
