package gpt

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

const (
	diskGUID = "6172692a-0000-4000-8000-000000000000"
	linux    = "0fc63daf-8483-4772-8e79-3d69d8477de4"
)

func sample() *Table {
	return &Table{Disk: diskGUID, Parts: []Part{
		{Number: 1, Name: "one", Type: linux, GUID: "6172692a-0000-4000-8000-000000000001", First: 2048, Last: 4095},
		{Number: 2, Name: "zwei-ä", Type: linux, GUID: "6172692a-0000-4000-8000-000000000002", First: 4096, Last: 8191},
	}}
}

func disk(t *testing.T, size int64) *os.File {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTripAndBackup(t *testing.T) {
	const size = 16 << 20
	f, want := disk(t, size), sample()
	if err := want.Write(f, size); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []bool{false, true} {
		if damaged { // the primary header; the backup must do
			if _, err := f.WriteAt([]byte{1}, sector+40); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Read(f, size)
		if err != nil {
			t.Fatalf("damaged=%v: %v", damaged, err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Part{})); d != "" {
			t.Errorf("damaged=%v: %s", damaged, d)
		}
	}
}

// Another implementation reads what we write.
func TestAgainstSfdisk(t *testing.T) {
	testenv.Program(t, "sfdisk", "apt-get install fdisk")
	const size = 16 << 20
	f := disk(t, size)
	if err := sample().Write(f, size); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sfdisk", "--verify", f.Name()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No errors detected") {
		t.Errorf("sfdisk --verify: %v\n%s", err, out)
	}
}

func TestExtend(t *testing.T) {
	tab := sample()
	p, changed := tab.Extend(Part{Number: 3, Name: "data", Type: linux, GUID: diskGUID}, 16<<20, 1<<20)
	if !changed || p.First != 8192 || p.Size() != 11<<20 {
		t.Fatalf("made %+v, size %d", p, p.Size())
	}
	if _, changed := tab.Extend(p, 16<<20, 1<<20); changed {
		t.Error("grown on a disk of the same size")
	}
	p, changed = tab.Extend(p, 32<<20, 1<<20)
	if !changed || p.First != 8192 || p.Size() != 27<<20 {
		t.Errorf("grown to %+v, size %d", p, p.Size())
	}
	if p, changed := sample().Extend(Part{Number: 3, Name: "data"}, 4<<20, 1<<20); changed || p.Size() != 0 {
		t.Errorf("made %+v where there is no room", p)
	}
	f := disk(t, 32<<20)
	if err := tab.Write(f, 16<<20); err == nil {
		t.Error("a partition beyond the disk's end was written")
	}
}
