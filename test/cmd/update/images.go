package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// patience of the images under test: emulation is slow, waiting for a version
// that never becomes healthy should not be.
const patience = "150s"

// build makes the keys and the image that the machine begins with.
func (p *proof) build(ctx context.Context) error {
	for _, name := range []string{"key", "other"} {
		if err := p.tool(ctx, filepath.Join(p.bin, "arc"), "firmware", "key", filepath.Join(p.work, name)); err != nil {
			return err
		}
	}
	return p.image(ctx, "1.0.0", p.bin, filepath.Join(p.bin, "aria-init"), "")
}

// pushed is the signed image of a version, built when it is first asked for.
func (p *proof) pushed(ctx context.Context, version string) (string, error) {
	if at := p.images[version]; at != "" {
		return at, nil
	}
	bin, init, words := p.bin, filepath.Join(p.bin, "aria-init"), ""
	broken := filepath.Join(p.work, "broken")
	if err := p.tool(ctx, "go", "build", "-ldflags=-s -w", "-o", broken, "./test/cmd/update/broken"); err != nil {
		return "", err
	}
	switch version {
	case "2.0.1":
		words = "rdinit=/missing init=/missing" // no init: the kernel panics
	case "2.0.2":
		init = broken
	case "2.0.4":
		init, words = filepath.Join(p.bin, "aria-init-test"), "aria.crash=1" // ends once the machine is up
	case "2.0.3":
		var err error
		if bin, err = p.programs("sick", map[string]string{"ariad": broken}); err != nil {
			return "", err
		}
	}
	if err := p.image(ctx, version, bin, init, words); err != nil {
		return "", err
	}
	return p.images[version], nil
}

// programs is a folder like bin with some programs replaced.
func (p *proof) programs(name string, with map[string]string) (string, error) {
	dir := filepath.Join(p.work, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for _, f := range []string{"arc", "ariad", "quiltd", "bun"} {
		from := filepath.Join(p.bin, f)
		if w := with[f]; w != "" {
			from = w
		}
		if err := os.Symlink(from, filepath.Join(dir, f)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// image builds one version; all but the first are signed for pushing. Quick
// compression: what is shown here does not depend on it.
func (p *proof) image(ctx context.Context, version, bin, init, words string) error {
	out := filepath.Join(p.work, version)
	err := p.tool(ctx, filepath.Join(p.bin, "mkboot"), "-bin", bin, "-init", init, "-out", out, "-cache", filepath.Join(p.bin, "boot", "cache"),
		"-version", version, "-level", "1", "-firmware-key", p.key+".pub", "-append", strings.TrimSpace("aria.patience="+patience+" "+words))
	if err != nil {
		return err
	}
	p.images[version] = filepath.Join(p.work, version+".fw")
	if err := p.sign(ctx, version, p.key, p.images[version]); err != nil {
		return err
	}
	for _, f := range []string{"aria.qcow2", "slot", "vmlinuz", "initrd"} { // space
		if err := os.RemoveAll(filepath.Join(out, f)); err != nil {
			return err
		}
	}
	if version != "1.0.0" {
		return os.Remove(filepath.Join(out, "aria.img"))
	}
	return nil
}

func (p *proof) sign(ctx context.Context, version, key, out string) error {
	return p.tool(ctx, filepath.Join(p.bin, "arc"), "firmware", "sign", filepath.Join(p.work, version, "slot"),
		"--key", key+".key", "--version", version, "-o", out)
}

func (p *proof) tool(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
