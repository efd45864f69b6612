package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Build compiles a project with the real arc and returns the bundle's bytes.
func (i *Instance) Build(ctx context.Context, dir string) ([]byte, error) {
	out, err := os.MkdirTemp("", "aria-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	c := exec.CommandContext(ctx, filepath.Join(i.Bin, "arc"), "build", dir, "--out", filepath.Join(out, "x.aria"))
	if msg, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("arc build %s: %w\n%s", dir, err, msg)
	}
	return os.ReadFile(filepath.Join(out, "x.aria"))
}

// Project writes files below a new temporary folder and returns it.
func Project(files map[string]string) (string, error) {
	dir, err := os.MkdirTemp("", "aria-project-")
	if err != nil {
		return "", err
	}
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Upload builds a project folder and registers it.
func (i *Instance) Upload(ctx context.Context, dir string) (*ariav1.Bundle, error) {
	data, err := i.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	r, err := i.Bundles.Upload(ctx, connect.NewRequest(&ariav1.UploadRequest{Bundle: data}))
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	return r.Msg.Bundle, nil
}

// Run starts a unit and follows it to its end; the run comes back in its final
// state whatever that is. err is trouble with the connection.
func (i *Instance) Run(ctx context.Context, unit, input string) (*ariav1.Run, error) {
	r, err := i.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: unit, Input: []byte(input)}))
	if err != nil {
		return nil, err
	}
	return i.Follow(ctx, r.Msg.Run.Id)
}

// Follow watches a run to its end and returns it.
func (i *Instance) Follow(ctx context.Context, id string) (*ariav1.Run, error) {
	s, err := i.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: id}))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for s.Receive() {
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	g, err := i.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: id}))
	if err != nil {
		return nil, err
	}
	return g.Msg.Run, nil
}

// Done returns the output of a run that ended well, else what went wrong.
func Done(r *ariav1.Run, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if r.State != "done" {
		return "", errors.New(strings.TrimSpace(r.State + ": " + r.GetError().GetCode() + ": " + r.GetError().GetMessage()))
	}
	return string(r.Output), nil
}
