package test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestFullDisk fills the disk under the data folder of a running pair: a new
// run and an upload are refused in one sentence with a hint, both daemons stay
// up, and when there is room again everything works and nothing is lost.
func TestFullDisk(t *testing.T) {
	testenv.NeedRoot(t)
	disk, err := os.MkdirTemp("", "aria-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(disk) })
	if err := unix.Mount("aria-test", disk, "tmpfs", 0, "size=220m,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	p := startPairIn(t, disk)
	if out, code := p.arc(t, "upload", "testdata/projects/work"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	if r, _ := p.run(t, "counter.bump", `{"key":"before"}`); r.State != "done" {
		t.Fatalf("before the disk is full: %s", r.State)
	}
	before := daemons(t, p)
	filler := fill(t, disk)

	for _, args := range [][]string{
		{"run", "counter.bump", "--input", `{"key":"full"}`},
		{"upload", "../examples/orders"},
	} {
		out, code := p.arc(t, args...)
		if code != 1 || !strings.Contains(string(out), "hint: ") || strings.Contains(string(out), "internal error") {
			t.Errorf("arc %s on a full disk: exit code %d\n%s", args[0], code, out)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if r, code := p.run(t, "counter.bump", `{"key":"before"}`); r.State != "done" || code != 0 || string(r.Output) != "2" {
		t.Errorf("with room again: %s %s, exit code %d", r.State, r.Output, code)
	}
	if diff := cmp.Diff(before, daemons(t, p)); diff != "" {
		t.Errorf("a daemon ended (-before +after):\n%s", diff)
	}
}

// daemons are the processes of an instance that stay, by name; containers come
// and go.
func daemons(t *testing.T, p pair) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, name := range []string{"ariad serve", "quiltd", "quiltd engine"} {
		if out[name] = p.Find(name); out[name] == 0 {
			t.Errorf("there is no %s", name)
		}
	}
	return out
}

// fill writes until the disk takes no more.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		_, err := f.Write(make([]byte, size))
		if errors.Is(err, syscall.ENOSPC) {
			size /= 2
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}
