package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// runHooks runs one list with the state on standard input, in order, until one
// fails. env is what a hook gets that names none itself, dir where it starts.
func runHooks(kind string, hooks []specs.Hook, state specs.State, env []string, dir string) error {
	for i, h := range hooks {
		if err := runHook(h, state, env, dir); err != nil {
			return fault.New(fault.Failed, "error running %s hook #%d: %v", kind, i, err)
		}
	}
	return nil
}

func runHook(h specs.Hook, state specs.State, env []string, dir string) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path)
	cmd.Dir = dir
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = env
	if h.Env != nil {
		cmd.Env = h.Env
	}
	if cmd.Env == nil {
		cmd.Env = []string{} // not ours
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &out
	cmd.WaitDelay = time.Second // whoever it left behind does not hold us
	err = cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("%s did not end within %d seconds", h.Path, *h.Timeout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w, output: %s", h.Path, err, strings.TrimSpace(out.String()))
	}
	return nil
}
