package compiler

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"

	"github.com/ariacomputecompany/firmware/bundle"
)

// TestSameBytes: 20 builds, in two folders, two time zones, under two umasks, on
// one core and on two, are one bundle.
func TestSameBytes(t *testing.T) {
	p := example(t)
	copied := p
	copied.Dir = t.TempDir()
	defer syscall.Umask(syscall.Umask(0o077))
	if err := os.CopyFS(copied.Dir, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	zones := []*time.Location{time.UTC, time.FixedZone("far", 14*3600)}
	defer func(l *time.Location) { time.Local = l }(time.Local)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	want := build(t, p).Bundle
	for i := range 20 {
		runtime.GOMAXPROCS(1 + i%2)
		time.Local = zones[i/8%2]
		t.Setenv("TZ", []string{"UTC", "Pacific/Kiritimati"}[i/8%2])
		syscall.Umask([]int{0o022, 0o077}[i/5%2])
		from := p
		if i%4 > 1 {
			from = copied
		}
		if got := build(t, from).Bundle; !bytes.Equal(want, got) {
			t.Fatalf("build %d in %s differs", i, from.Dir)
		}
	}
}

// TestSourceMap: a throw in the code leads back to the author's line, through
// a file that is in the bundle.
func TestSourceMap(t *testing.T) {
	dir := t.TempDir()
	text := "import { tool } from '@aria/sdk';\nexport class Deep {\n  @tool()\n  async go(): Promise<string> {\n    throw new Error('marker');\n  }\n}\n"
	writeFile(t, dir, "src/in/deep.ts", text)
	res := build(t, Project{Dir: dir, Name: "demo", Version: "1.0.0", Files: []string{"src/in/deep.ts"}})
	b, err := bundle.Open(res.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	code, err := b.File("code/in/deep.js")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.File("code/in/deep.js.map")
	if err != nil {
		t.Fatal(err)
	}
	m, err := sourcemap.Parse("", raw)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(code), "\n") {
		col := strings.Index(line, "throw new Error(\"marker\")")
		if col < 0 {
			continue
		}
		source, _, at, _, ok := m.Source(i+1, col)
		file := filepath.Join("code/in", source)
		if !ok || at != 5 || file != "source/src/in/deep.ts" {
			t.Errorf("leads to %s:%d", file, at)
		}
		if got, err := b.File(file); err != nil || string(got) != text {
			t.Errorf("%s: %v", file, err)
		}
		return
	}
	t.Error("no marker in the code")
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestCheckMakesNoCode: the same complaints, the same units, no bundle.
func TestCheckMakesNoCode(t *testing.T) {
	res, err := Check(context.Background(), Options{Project: example(t)})
	if err != nil {
		t.Fatal(err)
	}
	if res.Bundle != nil || res.Manifest == nil || len(res.Manifest.Units) != len(build(t, example(t)).Manifest.Units) {
		t.Errorf("%d bytes, manifest %v", len(res.Bundle), res.Manifest)
	}
}

// TestStopped: a build that was called off gives no bundle.
func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if res, err := Build(ctx, Options{Project: example(t)}); err == nil {
		t.Errorf("no error, %d bytes", len(res.Bundle))
	}
}

func TestMissingFile(t *testing.T) {
	res, err := Build(context.Background(), Options{Project: Project{Dir: t.TempDir(), Name: "x", Version: "1.0.0", Files: []string{"src/gone.ts"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Messages) == 0 || res.Messages[0].Code != "TS6053" || res.Bundle != nil {
		t.Errorf("%+v", res.Messages)
	}
}

// TestEsbuildVersion: the manifest names the bundler that is linked in.
func TestEsbuildVersion(t *testing.T) {
	raw, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/evanw/esbuild v(\S+)`).FindSubmatch(raw)
	if m == nil || string(m[1]) != esbuildVersion {
		t.Errorf("go.mod has %s, the manifest would say %s", m, esbuildVersion)
	}
	if r := api.Transform("let a: number = 1", api.TransformOptions{Loader: api.LoaderTS}); len(r.Errors) > 0 {
		t.Error(r.Errors)
	}
}

func TestLowerFirst(t *testing.T) {
	for in, want := range map[string]string{
		"Orders": "orders", "HTTPTools": "httpTools", "A": "a", "URL": "url", "already": "already", "X2": "x2", "$Odd": "$Odd",
	} {
		if got := lowerFirst(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAmounts(t *testing.T) {
	for in, want := range map[string]int64{"250ms": 250, "1.5s": 1500, "7d": 604_800_000, "0s": -1, "5": -1, "s": -1, "-1s": -1, "1e3s": -1, "99999999999999d": -1} {
		if got, err := parseDuration(in); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for in, want := range map[string]int64{"64MiB": 64 << 20, "0.5GiB": 512 << 20, "1KB": -1} {
		if got, err := parseSize(in); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
}
