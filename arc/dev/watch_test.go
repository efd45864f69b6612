package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestWatch: what an author does, step by step, and what is reported.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("src/a.ts"), "1")
	write(t, at("node_modules/left/index.js"), "1")
	w, err := Watch(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, step := range []struct {
		name string
		do   func()
		want Change
	}{
		{"a save", func() { write(t, at("src/a.ts"), "2") }, Change{Files: []string{at("src/a.ts")}}},
		{"a save by renaming", func() {
			write(t, at("src/a.ts.new"), "3")
			if err := os.Rename(at("src/a.ts.new"), at("src/a.ts")); err != nil {
				t.Fatal(err)
			}
		}, Change{Files: []string{at("src/a.ts")}}},
		{"what never counts, then a save", func() {
			write(t, at("src/a.test.ts"), "1")
			write(t, at("dist/x.aria"), "1")
			write(t, at(".git/index"), "1")
			write(t, at("node_modules/left/index.js"), "2")
			write(t, at("src/a.ts~"), "1")
			write(t, at("src/a.ts"), "4")
		}, Change{Files: []string{at("src/a.ts")}}},
		{"the project's own file", func() { write(t, at("aria.toml"), "1") }, Change{Files: []string{at("aria.toml")}, Any: true}},
		{"a new folder", func() { write(t, at("src/deep/b.ts"), "1") }, Change{Files: []string{at("src/deep")}, Any: true}},
		{"a file in it", func() { write(t, at("src/deep/b.ts"), "2") }, Change{Files: []string{at("src/deep/b.ts")}}},
		{"a removal", func() { os.Remove(at("src/a.ts")) }, Change{Files: []string{at("src/a.ts")}}},
	} {
		step.do()
		ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
		got, err := w.Next(ctx)
		done()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if step.name == "a new folder" { // the file in it is seen or not, by who is quicker
			got.Files = got.Files[:1]
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
	}
	ctx, done := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer done()
	if c, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing happened, but %+v, %v", c, err)
	}
}

func TestVersion(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	for _, c := range []struct {
		stated string
		taken  bool
		want   string
	}{
		{"0.1.0", false, "0.1.0-dev.1700000000123"},
		{"0.1.0", true, "0.1.1-dev.1700000000123"},
		{"1.2.9+build", true, "1.2.10-dev.1700000000123"},
		{"1.0.0-beta.2", false, "1.0.0-beta.2.dev.1700000000123"},
		{"1.0.0-beta.2", true, "1.0.0-beta.2.dev.1700000000123"},
	} {
		if got := Version(c.stated, c.taken, at); got != c.want {
			t.Errorf("%s, taken %v: %s, want %s", c.stated, c.taken, got, c.want)
		}
	}
}

func TestLastWords(t *testing.T) {
	var said tail
	said.Write([]byte("time=1 level=INFO msg=x\nariad: port taken\nhint: choose another\n"))
	if got := said.last(); got != "ariad: port taken; hint: choose another" {
		t.Errorf("%q", got)
	}
	var log tail
	log.Write([]byte("time=1 msg=x\ntime=2 msg=y\n"))
	if got := log.last(); got != "time=2 msg=y" {
		t.Errorf("%q", got)
	}
}
