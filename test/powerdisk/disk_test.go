package powerdisk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

func open(t *testing.T) (*Disk, string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "disk")
	if err := os.WriteFile(file, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Serve(file, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, file
}

func fill(b byte, sectors int) []byte { return bytes.Repeat([]byte{b}, sectors*sector) }

// What was flushed, or written through, is always there; of the rest each
// sector holds one of its versions.
func TestPowerCut(t *testing.T) {
	seen := map[byte]int{}
	for seed := range uint64(200) {
		d, file := open(t)
		for _, w := range []struct {
			b       byte
			at      int64
			through bool
			flush   bool
		}{{1, 0, false, true}, {2, 0, false, false}, {3, 0, false, false}, {4, 8 * sector, true, false}} {
			if err := d.write(fill(w.b, 8), w.at, w.through); err != nil {
				t.Fatal(err)
			}
			if w.flush {
				if err := d.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := make([]byte, 16*sector)
		if err := d.read(got, 0); err != nil || !bytes.Equal(got, append(fill(3, 8), fill(4, 8)...)) {
			t.Fatalf("before the cut: %v", err)
		}
		if n, _, err := d.Cut(rand.New(rand.NewPCG(seed, 0))); err != nil || n != 8 {
			t.Fatalf("%d sectors at stake, %v", n, err)
		}
		raw, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(raw[8*sector:16*sector], fill(4, 8)) {
			t.Fatalf("written through and lost: %v", err)
		}
		for i := range 8 {
			b := raw[i*sector]
			if b < 1 || b > 3 || !bytes.Equal(raw[i*sector:(i+1)*sector], fill(b, 1)) {
				t.Fatalf("sector %d holds %d", i, b)
			}
			seen[b]++
		}
	}
	if len(seen) != 3 {
		t.Errorf("versions found: %v", seen)
	}
}

// QEMU's own client agrees with our server.
func TestNBD(t *testing.T) {
	testenv.Program(t, "qemu-io", "apt-get install qemu-utils")
	d, file := open(t)
	out, err := exec.Command("qemu-io", "-f", "raw", "-c", "write -P 7 4096 8192", "-c", "read -P 7 4096 8192", "-c", "read -P 0 0 4096",
		"-c", "write -f -P 9 0 512", "-c", "flush", d.Drive().Path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "failed") {
		t.Fatalf("%v\n%s", err, out)
	}
	if n, _, err := d.Cut(rand.New(rand.NewPCG(1, 1))); err != nil || n != 0 {
		t.Errorf("%d sectors at stake after a flush, %v", n, err)
	}
	raw, err := os.ReadFile(file)
	if err != nil || raw[0] != 9 || raw[512] != 0 || raw[4096] != 7 || raw[12287] != 7 || raw[12288] != 0 {
		t.Errorf("on the disk: %v", err)
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}
