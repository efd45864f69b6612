package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// order is all that a child is told, as its first message.
type order struct {
	Spec     *specs.Spec
	Process  *specs.Process
	State    specs.State
	Bundle   string
	Views    []groupView
	Exec     bool // into a container that stands: no root to build
	Preserve int  // descriptors after the three streams that the process is to have
	Listen   int  // descriptor on which `start` knocks; 0: go on at once
	Console  int  // descriptor to send a terminal to; 0: none
	Listener int  // descriptor of who decides about calls; 0: nobody
	Pid      int  // the child's own number, as its parent sees it
	Trees    map[int]int
	Debug    bool
}

// note is a message from the child, and the parent's answer.
type note struct {
	Step string // "built", "ready", "warn", "debug", "failed"; from the parent "go"
	Text string `json:",omitempty"`
	Hint string `json:",omitempty"`
}

// link carries notes between the two.
type link struct {
	file *os.File
	in   *json.Decoder
	out  *json.Encoder
}

func newLink(f *os.File) *link { return &link{f, json.NewDecoder(f), json.NewEncoder(f)} }

func (l *link) say(step, text string) error { return l.out.Encode(note{Step: step, Text: text}) }

// fail tells the parent why the child ends.
func (l *link) fail(err error) {
	n := note{Step: "failed", Text: err.Error()}
	if f, ok := fault.As(err); ok {
		n.Hint = f.Hint
	}
	_ = l.out.Encode(n)
}

// hear waits for a step of the child. Warnings on the way go to report; "": none
// came, the child is gone.
func (l *link) hear(report func(note)) (string, error) {
	for {
		var n note
		if err := l.in.Decode(&n); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return "", nil
			}
			return "", fmt.Errorf("child: %w", err)
		}
		switch n.Step {
		case "warn", "debug":
			report(n)
		case "failed":
			return "", fault.New(fault.Failed, "%s", n.Text).WithHint("%s", n.Hint)
		default:
			return n.Step, nil
		}
	}
}

// await waits for the parent to say go.
func (l *link) await() error {
	var n note
	if err := l.in.Decode(&n); err != nil || n.Step != "go" {
		return fmt.Errorf("the runtime is gone")
	}
	return nil
}
