package image

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// A stamp counts only for the very files it was made for.
func TestStamp(t *testing.T) {
	cfg := Config{Bun: testenv.Bun(t), Harness: []byte("h"), CacheDir: t.TempDir()}
	first, err := Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	files, err := contents(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := stamped(cfg.CacheDir, files); ok {
		t.Error("files as young as the stamp are trusted")
	}
	victim := filepath.Join(first.Dir, "etc", "hosts")
	info, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() { putStamp(cfg.CacheDir, first, files, time.Now().Add(time.Hour)) }
	for _, c := range []struct {
		shows string
		spoil func() error
		holds bool
	}{
		{"nothing has changed", func() error { return nil }, true},
		{"another harness", func() error { cfg.Harness = []byte("i"); return nil }, false},
		{"the same time and size, other bytes", func() error {
			text, err := os.ReadFile(victim)
			if err != nil {
				return err
			}
			text[0] ^= 1
			if err := os.WriteFile(victim, text, 0o644); err != nil {
				return err
			}
			return os.Chtimes(victim, info.ModTime(), info.ModTime())
		}, false},
		{"one file more", func() error { return os.WriteFile(filepath.Join(first.Dir, "etc", "more"), nil, 0o644) }, false},
		{"a stamp that others can write", func() error { return os.Chmod(stampPath(cfg.CacheDir), 0o666) }, false},
		{"no JSON", func() error { return os.WriteFile(stampPath(cfg.CacheDir), []byte("{"), 0o600) }, false},
	} {
		cfg.Harness = []byte("h")
		fresh()
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		files, err := contents(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := stamped(cfg.CacheDir, files); ok != c.holds {
			t.Errorf("%s: trusted %v", c.shows, ok)
		}
	}
}
