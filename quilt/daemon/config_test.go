package daemon

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "c.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg, _, err := parse(nil, io.Discard)
	if err != nil || cfg.Socket != "/run/quilt/quilt.sock" {
		t.Errorf("defaults: %+v, %v", cfg, err)
	}
	cfg, _, err = parse([]string{"--data", "/srv/a"}, io.Discard)
	if err != nil || cfg.Socket != "/srv/a/run/quilt.sock" {
		t.Errorf("with a data folder: %+v, %v", cfg, err)
	}
	cfg, _, err = parse([]string{"-config", file("data = '/x'\ngrace = '3s'\nallow = [1, 2]"), "-data", "/y"}, io.Discard)
	if err != nil || cfg.Data != "/y" || time.Duration(cfg.Grace) != 3*time.Second || len(cfg.Allow) != 2 {
		t.Errorf("file and flag: %+v, %v", cfg, err)
	}
	for _, bad := range [][]string{
		{"-config", file("max_execution = 3")}, {"-config", file("data = 3")}, {"-config", "/nowhere/c.toml"}, {"stray"},
	} {
		if _, _, err := parse(bad, io.Discard); fault.CodeOf(err) == fault.Internal || err == nil {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// What -print-config shows can be given back as a file.
func TestPrintedConfigReadsBack(t *testing.T) {
	var out bytes.Buffer
	if code := Main([]string{"-data", "/srv/a", "-print-config"}, &out, os.Stderr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want, _, _ := parse([]string{"-data", "/srv/a"}, io.Discard)
	got, _, err := parse([]string{"-config", path}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMissingBunSaysWhereToPutIt(t *testing.T) {
	_, err := findBun("/nowhere/bun")
	if f, ok := fault.As(err); !ok || !strings.Contains(f.Message, "/nowhere/bun") || f.Hint == "" {
		t.Errorf("%v", err)
	}
}
