package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("small", "1234")
	write("exact", strings.Repeat("x", 16))
	write("more", strings.Repeat("x", 17))
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("small", in("link")))
	must(os.Symlink("/dev/zero", in("endless")))
	must(os.Symlink("/proc/self/status", in("sizeless")))
	must(os.Symlink("nowhere", in("dangling")))
	must(syscall.Mkfifo(in("pipe"), 0o644))
	must(os.Mkdir(in("folder"), 0o755))
	write("huge", "")
	must(os.Truncate(in("huge"), 20<<30))

	cases := map[string]struct{ want, fails string }{
		"small": {"1234", ""}, "exact": {strings.Repeat("x", 16), ""}, "link": {"1234", ""},
		"more":     {"", "more is larger than 16 bytes"},
		"huge":     {"", "huge is larger than"},
		"endless":  {"", "endless is a device, not a file"},
		"sizeless": {"", "sizeless is larger than"}, // says 0 bytes and has more
		"pipe":     {"", "pipe is a pipe, not a file"},
		"folder":   {"", "folder is a folder, not a file"},
	}
	for name, c := range cases {
		got, err := Read(in(name), name, 16)
		f, ok := fault.As(err)
		if c.fails == "" && (err != nil || string(got) != c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if c.fails != "" && (!ok || f.Code != fault.Invalid || f.Hint == "" || !strings.HasPrefix(f.Message, c.fails)) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
	for _, name := range []string{"missing", "dangling"} {
		if _, err := Read(in(name), name, 16); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
