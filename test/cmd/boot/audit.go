package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

// audit compares what the running machine printed of itself with the lists in
// the specification: blocks that begin with ```guest NAME.
func (b *bench) audit(ctx context.Context, m *qemu.Machine) error {
	ctx, cancel := context.WithTimeout(ctx, 7*time.Minute)
	defer cancel()
	line, err := m.WaitLine(ctx, "aria-audit: ")
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(line, "aria-audit: ")
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	doc, err := os.ReadFile(b.docs)
	if err != nil {
		return err
	}
	for _, name := range []string{"processes", "ports", "setuid", "writable", "modules", "walls"} {
		var have []string
		if err := json.Unmarshal(got[name], &have); err != nil {
			return fmt.Errorf("audit: %s: %w", name, err)
		}
		want, ok := listed(string(doc), name)
		if !ok {
			return fmt.Errorf("%s has no block \"guest %s\"", b.docs, name)
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			return fmt.Errorf("%s of the machine differ from %s\n the machine: %s\n the document: %s", name, b.docs, strings.Join(have, "; "), strings.Join(want, "; "))
		}
		fmt.Printf("%s: %d, as documented: %s\n", name, len(have), strings.Join(have, "; "))
	}
	if err := json.Unmarshal(got["usedMiB"], &b.usedMiB); err != nil {
		return fmt.Errorf("audit: usedMiB: %w", err)
	}
	fmt.Printf("idle: %d MiB in use\n", b.usedMiB)
	if b.usedMiB > usedAtMost {
		return fmt.Errorf("the idle machine uses %d MiB, at most %d are promised", b.usedMiB, usedAtMost)
	}
	return nil
}

// listed reads one block of the document, one entry per line.
func listed(doc, name string) (out []string, ok bool) {
	_, rest, ok := strings.Cut(doc, "```guest "+name+"\n")
	block, _, closed := strings.Cut(rest, "```")
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out, ok && closed
}
