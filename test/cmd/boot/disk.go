package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// testDisk compiles the tests and makes a disk of them and of all files they need:
// it holds a list of jobs for each guest, and a folder per package.
func (b *bench) testDisk(ctx context.Context, disk string, guests [][]job) error {
	stage := disk + "-files"
	limit := testTime
	if b.full {
		limit = fullTime
	}
	built := map[string]bool{}
	for n, jobs := range guests {
		var list string
		for _, j := range jobs {
			list += fmt.Sprintf("%s %s %s\n", j.pkg, limit, j.words)
			if !built[j.pkg] {
				if err := compile(ctx, j.pkg, filepath.Join(stage, j.pkg)); err != nil {
					return err
				}
				built[j.pkg] = true
			}
		}
		if err := os.WriteFile(filepath.Join(stage, fmt.Sprint("list", n)), []byte(list), 0o644); err != nil {
			return err
		}
	}
	err := errors.Join(os.MkdirAll(filepath.Join(stage, "bin"), 0o755), tool(stage, "chroot"), tool(stage, "busybox"),
		os.CopyFS(filepath.Join(stage, "docs", "spec"), os.DirFS(filepath.Join("docs", "spec"))),
		os.CopyFS(filepath.Join(stage, "sdk", "src"), os.DirFS(filepath.Join("sdk", "src"))))
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "mksquashfs", stage, disk, "-noappend", "-quiet", "-no-progress", "-comp", "lz4").CombinedOutput(); err != nil {
		return fmt.Errorf("mksquashfs: %w: %s", err, out)
	}
	return nil
}

// tool puts a program of this machine onto the disk.
func tool(stage, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%s is not installed: make setup-test", name)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, "bin", name), text, 0o755)
}

func compile(ctx context.Context, pkg, dir string) error {
	c := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", filepath.Join(dir, "test"), "./"+pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the tests of %s: %w: %s", pkg, err, msg)
	}
	if _, err := os.Stat(filepath.Join(pkg, "testdata")); err != nil {
		return nil
	}
	return os.CopyFS(filepath.Join(dir, "testdata"), os.DirFS(filepath.Join(pkg, "testdata")))
}
