package image

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

func TestBuild(t *testing.T) {
	cfg := Config{Bun: testenv.Bun(t), Harness: []byte("console.log('harness')\n"), CacheDir: filepath.Join(t.TempDir(), "images")}
	first, err := Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if first.Reused || first.Dir != filepath.Join(cfg.CacheDir, first.Digest) {
		t.Errorf("%+v", first)
	}
	checkTree(t, first.Dir)
	if os.Geteuid() == 0 {
		bun := exec.Command("/bin/bun", "--version")
		bun.Dir, bun.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: first.Dir}
		if out, err := bun.CombinedOutput(); err != nil {
			t.Errorf("bun does not run in its image: %v %s", err, out)
		}
	}

	again, err := Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Image{Dir: first.Dir, Digest: first.Digest, Reused: true}, again); d != "" {
		t.Errorf("second build (-want +got):\n%s", d)
	}
	for name, spoil := range map[string]func(string) error{
		"changed harness": func(d string) error { return os.WriteFile(d+"/aria/harness.js", []byte("evil"), 0o644) },
		"changed mode":    func(d string) error { return os.Chmod(d+"/etc/hosts", 0o666) },
		"set-user-id":     func(d string) error { return os.Chmod(d+"/bin/bun", 0o755|fs.ModeSetuid) },
		"extra file":      func(d string) error { return os.WriteFile(d+"/bunfig.toml", []byte("preload=[]"), 0o644) },
		"missing folder":  func(d string) error { return os.Remove(d + "/tmp") },
		"link for folder": func(d string) error { os.Remove(d + "/proc"); return os.Symlink("/dev", d+"/proc") },
	} {
		if err := spoil(first.Dir); err != nil {
			t.Fatal(err)
		}
		mended, err := Build(cfg)
		if err != nil || mended.Reused || mended.Digest != first.Digest {
			t.Errorf("%s: %+v, %v; want it built anew", name, mended, err)
		}
		checkTree(t, first.Dir)
	}
	cfg.Harness = []byte("other")
	other, err := Build(cfg)
	if err != nil || other.Digest == first.Digest {
		t.Errorf("another harness: %+v, %v; want another digest", other, err)
	}
	old := time.Now().Add(-2 * keepUnused)
	if err := os.Chtimes(first.Dir, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Dir); !os.IsNotExist(err) {
		t.Errorf("an image unused for two weeks is still there: %v", err)
	}
	if left, _ := filepath.Glob(cfg.CacheDir + "/.making-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// checkTree: flat, plain, and the mount points are there and empty.
func checkTree(t *testing.T, dir string) {
	t.Helper()
	var have []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			t.Errorf("%s is a %v", path, d.Type())
		}
		have = append(have, strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bin/bun", "aria/harness.js", "etc/passwd", "etc/group", "etc/hosts", "etc/nsswitch.conf", "dev", "proc", "tmp"} {
		if !slices.Contains(have, want) {
			t.Errorf("no %s in %v", want, have)
		}
	}
	for _, empty := range []string{"dev", "proc", "tmp"} {
		if e, err := os.ReadDir(filepath.Join(dir, empty)); err != nil || len(e) > 0 {
			t.Errorf("%s: %v, %v", empty, e, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "bun")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "bun")
	header := make([]byte, 64) // Elf64_Ehdr (elf(5)) of a program without segments, for a machine that Bun has no build for
	copy(header, "\x7fELF\x02\x01\x01")
	header[16], header[18], header[20], header[52], header[54], header[58] = byte(elf.ET_EXEC), byte(elf.EM_S390), 1, 64, 56, 64
	if err := os.WriteFile(foreign, header, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"for another machine", Config{Bun: foreign, CacheDir: t.TempDir()}, "is a bun for another machine than this one (" + runtime.GOARCH + ")"},
		{"no bun", Config{Bun: "/nonexistent/bun", CacheDir: t.TempDir()}, "/nonexistent/bun is not a bun binary"},
		{"not a binary", Config{Bun: text, CacheDir: t.TempDir()}, "is not a bun binary that can be used"},
		{"library missing", Config{Bun: testenv.Bun(t), CacheDir: t.TempDir(), Libs: []string{t.TempDir()}}, "bun needs the shared library"},
		{"cache is a file", Config{Bun: testenv.Bun(t), CacheDir: file}, "could not be written"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(c.cfg)
			f, ok := fault.As(err)
			if !ok || !strings.Contains(f.Message, c.says) || f.Hint == "" {
				t.Errorf("%v, want a fault that says %q and has a hint", err, c.says)
			}
		})
	}
}
