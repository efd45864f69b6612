package initramfs

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// GNU cpio reads what we write, and the bytes are the same each time.
func TestWrite(t *testing.T) {
	files := []File{{Path: "dev/", Mode: 0o755}, {Path: "dev/console", Mode: 0o600, Device: &[2]uint32{5, 1}}, {Path: "init", Mode: 0o755, Data: []byte("hello")}}
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := Write(w, files); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two runs differ")
	}
	testenv.Program(t, "cpio", "apt-get install cpio")
	r, err := zstd.NewReader(&a)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "-tv", "--quiet")
	cmd.Stdin = r
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"drwxr-xr-x", "crw-------", "5,   1", "-rwxr-xr-x", " 5 "} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("cpio: %v: no %q in\n%s", err, want, out)
		}
	}
}
