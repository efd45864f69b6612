package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

// sample holds milliseconds.
type sample []float64

func (s sample) at(q float64) float64 {
	t := append(sample(nil), s...)
	sort.Float64s(t)
	return t[int(q*float64(len(t)-1))]
}

func (s sample) print(what string) {
	fmt.Printf("%-34s %8.2f %8.2f %8.2f %8.2f\n", what, s.at(0), s.at(.5), s.at(.9), s.at(.99))
}

func since(t time.Time) float64 { return float64(time.Since(t)) / float64(time.Millisecond) }

// bare runs the bundle's own code in Bun with nothing around it.
type bare struct{ bun, dir string }

func newBare(ctx context.Context, inst *system.Instance, project string) (*bare, error) {
	data, err := inst.Build(ctx, project)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "aria-bare-")
	if err != nil {
		return nil, err
	}
	b := &bare{bun: filepath.Join(inst.Bin, "bun"), dir: dir}
	for _, f := range z.File {
		if strings.HasPrefix(f.Name, "code/") && strings.HasSuffix(f.Name, ".js") {
			if err := extract(f, filepath.Join(dir, filepath.Base(f.Name))); err != nil {
				return b, err
			}
		}
	}
	main := `import { Work } from "./work.js"; process.stdout.write(JSON.stringify(await new Work().inc(41)));`
	return b, os.WriteFile(filepath.Join(dir, "main.js"), []byte(main), 0o644)
}

func extract(f *zip.File, to string) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

func (b *bare) run(ctx context.Context) error {
	c := exec.CommandContext(ctx, b.bun, "--no-install", "main.js")
	c.Dir = b.dir
	out, err := c.Output()
	if err == nil && string(out) != "42" {
		err = fmt.Errorf("bare bun answered %q", out)
	}
	return err
}

func (b *bare) close() { os.RemoveAll(b.dir) }

// interleave takes the two in turn, so that a slow minute hits both.
func interleave(ctx context.Context, inst *system.Instance, b *bare, n int) (cold, plain sample, err error) {
	for i := -3; i < n; i++ {
		t := time.Now()
		out, err := system.Done(inst.Run(ctx, "work.inc", `{"n":41}`))
		if err != nil {
			return nil, nil, err
		}
		if out != "42" {
			return nil, nil, fmt.Errorf("work.inc answered %q", out)
		}
		a := since(t)
		t = time.Now()
		if err := b.run(ctx); err != nil {
			return nil, nil, err
		}
		if i >= 0 {
			cold, plain = append(cold, a), append(plain, since(t))
		}
	}
	return cold, plain, nil
}

func timeBuild(ctx context.Context, inst *system.Instance, project string, n int) (wall, cpu sample, err error) {
	out, err := os.MkdirTemp("", "aria-build-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(out)
	for i := -2; i < n; i++ {
		c := exec.CommandContext(ctx, filepath.Join(inst.Bin, "arc"), "build", project, "--out", filepath.Join(out, "x.aria"))
		t := time.Now()
		if msg, err := c.CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("arc build: %w\n%s", err, msg)
		}
		if i >= 0 {
			wall = append(wall, since(t))
			u := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			cpu = append(cpu, float64(u)/float64(time.Millisecond))
		}
	}
	return wall, cpu, nil
}
