package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// status is what arc firmware status --json prints, as far as it matters here.
type status struct {
	Version, Slot, State string
	Update               *struct{ Offset, Size int64 }
	Last                 *struct{ Version, Outcome, Reason string }
}

func (p *proof) status(ctx context.Context) (st status, err error) {
	out, err := p.box.Arc(ctx, p.bin, "firmware", "status", "--json").Output()
	if err != nil {
		return st, fmt.Errorf("arc firmware status: %w\n%s", err, stderr(err))
	}
	return st, json.Unmarshal(out, &st)
}

func stderr(err error) []byte {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.Stderr
	}
	return nil
}

// push runs arc to its end and gives what it said.
func (p *proof) push(ctx context.Context, image string) (string, error) {
	out, err := p.box.Arc(ctx, p.bin, "firmware", "push", image).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// expect is the status that every broken update must end in.
func (p *proof) expect(ctx context.Context, outcome, reason string) (string, error) {
	st, err := p.status(ctx)
	if err != nil {
		return "", err
	}
	if st.Last == nil || st.State != "steady" || st.Version != "1.0.0" || st.Slot != "a" || st.Last.Outcome != outcome || !strings.Contains(st.Last.Reason, reason) {
		return "", fmt.Errorf("expected 1.0.0 on slot a and the last update %s (%q), found %+v, last %+v", outcome, reason, st, st.Last)
	}
	return outcome + ": " + st.Last.Reason, nil
}

func (p *proof) refused(ctx context.Context, image, reason string) (string, error) {
	out, err := p.push(ctx, image)
	if err == nil || !strings.Contains(out, reason) {
		return "", fmt.Errorf("arc firmware push: %v, and said %q", err, out)
	}
	return p.expect(ctx, "refused", reason)
}

// badSignature changes the version in a signed header.
func (p *proof) badSignature(ctx context.Context) (string, error) {
	image, err := p.pushed(ctx, "2.0.0")
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(image)
	if err != nil {
		return "", err
	}
	forged := filepath.Join(p.work, "forged.fw")
	defer os.Remove(forged)
	if err := os.WriteFile(forged, bytes.Replace(raw, []byte(`"2.0.0"`), []byte(`"2.9.0"`), 1), 0o600); err != nil {
		return "", err
	}
	return p.refused(ctx, forged, "bad signature")
}

// stranger signs with a key that the machine does not know.
func (p *proof) stranger(ctx context.Context) (string, error) {
	dir := filepath.Join(p.work, "strange", "slot")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, f := range []string{"root.img", "linux.efi"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			return "", err
		}
	}
	image := filepath.Join(p.work, "strange.fw")
	if err := p.sign(ctx, "strange", filepath.Join(p.work, "other"), image); err != nil {
		return "", err
	}
	return p.refused(ctx, image, "does not trust")
}

// older signs an older version as its maker would.
func (p *proof) older(ctx context.Context) (string, error) {
	dir := filepath.Join(p.work, "0.9.0", "slot")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, f := range []string{"root.img", "linux.efi"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			return "", err
		}
	}
	image := filepath.Join(p.work, "0.9.0.fw")
	if err := p.sign(ctx, "0.9.0", p.key, image); err != nil {
		return "", err
	}
	return p.refused(ctx, image, "is older than 1.0.0")
}

// pushUntil starts a push and kills it when it says how far it got.
func (p *proof) pushUntil(ctx context.Context, image, mark string) error {
	c := p.box.Arc(ctx, p.bin, "firmware", "push", image)
	r, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(r)
	seen := false
	for lines.Scan() {
		if strings.Contains(lines.Text(), mark) {
			seen = true
			_ = c.Process.Kill()
		}
	}
	_ = c.Wait()
	if !seen {
		return fmt.Errorf("arc firmware push never said %q", mark)
	}
	return nil
}

// cut ends a transfer by killing arc, then pulls the machine's plug.
func (p *proof) cut(ctx context.Context) (string, error) {
	image, err := p.pushed(ctx, "2.0.0")
	if err != nil {
		return "", err
	}
	if err := p.pushUntil(ctx, image, " 30%"); err != nil {
		return "", err
	}
	st, err := p.status(ctx)
	if err != nil || st.State != "receiving" || st.Update == nil || st.Update.Offset < st.Update.Size/4 {
		return "", fmt.Errorf("after the sender was killed: %+v, %+v, %w", st, st.Update, err)
	}
	p.box.M.Kill()
	if err := p.start(ctx); err != nil {
		return "", err
	}
	return p.expect(ctx, "cut", "transfer was cut")
}

// back pushes a version that must come back by itself.
func (p *proof) back(version, reason string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		image, err := p.pushed(ctx, version)
		if err != nil {
			return "", err
		}
		out, err := p.push(ctx, image)
		if err == nil || !strings.Contains(out, "went back to firmware 1.0.0") {
			return "", fmt.Errorf("arc firmware push: %v, and said %q", err, out)
		}
		if _, err := p.box.Ready(ctx); err != nil {
			return "", err
		}
		return p.expect(ctx, "back", reason)
	}
}

// keep pushes a good version, cuts it, goes on, and finds it kept over a power cut.
func (p *proof) keep(ctx context.Context) (string, error) {
	image, err := p.pushed(ctx, "2.0.0")
	if err != nil {
		return "", err
	}
	if err := p.pushUntil(ctx, image, " 50%"); err != nil {
		return "", err
	}
	out, err := p.push(ctx, image)
	if err != nil {
		return "", fmt.Errorf("arc firmware push: %w, and said %q", err, out)
	}
	if strings.Contains(out, " 10%") || !strings.Contains(out, "100%") {
		return "", fmt.Errorf("the transfer did not go on where it was cut: %q", out)
	}
	p.box.M.Kill()
	if err := p.start(ctx); err != nil {
		return "", err
	}
	st, err := p.status(ctx)
	if err != nil || st.Version != "2.0.0" || st.Slot != "b" || st.State != "steady" || st.Last.Outcome != "kept" {
		return "", fmt.Errorf("after a power cut: %+v, %+v, %w", st, st.Last, err)
	}
	return "kept on slot b, also over a power cut", nil
}

// full fills the data partition from outside while the machine is off: the machine
// must be ready all the same, and refuse the update before a byte of it is written.
func (p *proof) full(ctx context.Context) (string, error) {
	image, err := p.pushed(ctx, "2.0.1")
	if err != nil {
		return "", err
	}
	before, err := p.status(ctx)
	if err != nil {
		return "", err
	}
	off, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := p.box.M.Stop(off); err != nil {
		return "", fmt.Errorf("power button: %w", err)
	}
	if err := p.box.Fill(ctx, 256<<10); err != nil {
		return "", err
	}
	if err := p.start(ctx); err != nil { // ready all the same: the reserve is given up
		return "", err
	}
	if said := "its reserve is released"; !strings.Contains(p.box.M.Serial(), said) {
		return "", fmt.Errorf("the machine did not say %q: it found room, so what filled the partition is gone", said)
	}
	out, err := p.push(ctx, image)
	if err == nil || !strings.Contains(out, "the data partition is full") {
		return "", fmt.Errorf("arc firmware push: %v, and said %q", err, out)
	}
	st, err := p.status(ctx)
	if err != nil || st.Version != before.Version || st.Slot != before.Slot || st.Last.Outcome != "refused" {
		return "", fmt.Errorf("found %+v, last %+v, %w", st, st.Last, err)
	}
	return "refused: " + st.Last.Reason, nil
}
