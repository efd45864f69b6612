package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/packages"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type testResult struct {
	OK     bool    `json:"ok"`
	Files  int     `json:"files"`
	TookMS float64 `json:"tookMs"`
}

func (a *app) testCmd() *cobra.Command {
	var only string
	var watch bool
	c := &cobra.Command{
		Use:     "test [DIR] [-- ARGUMENTS OF bun test]",
		Short:   "Run the project's own tests, with handles in memory",
		Long:    wordsTestLong,
		GroupID: groupAuthor,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			var rest []string
			if at := c.ArgsLenAtDash(); at >= 0 {
				args, rest = args[:at], args[at:]
			}
			if err := want(0, 1, "")(c, args); err != nil {
				return err
			}
			if only != "" {
				rest = append(rest, "--test-name-pattern", only)
			}
			if watch {
				rest = append(rest, "--watch")
			}
			return a.test(c.Context(), dirArg(args), rest)
		},
	}
	a.addFrozen(c)
	c.Flags().StringVarP(&only, "name", "t", "", "only tests whose name matches this regular expression")
	c.Flags().BoolVar(&watch, "watch", false, "run them again at every change")
	return c
}

func (a *app) test(ctx context.Context, dir string, rest []string) error {
	start := time.Now()
	p, err := project.Load(dir)
	if err != nil {
		return asBuild(err)
	}
	files, err := p.Tests()
	if err != nil {
		return asBuild(err)
	}
	if len(files) == 0 {
		return asBuild(fault.New(fault.NotFound, "%s has no tests", p.Name).
			WithHint("write one beside the source: src/hello.test.ts, with test and expect from \"bun:test\" and memoryHost from \"@aria/sdk/testing\""))
	}
	if err := packages.Ensure(ctx, packages.Request{Dir: p.Dir, Frozen: a.frozen, Env: a.env, Note: a.note}); err != nil {
		return asBuild(err)
	}
	bun, err := packages.Bun(a.env)
	if err != nil {
		return err
	}
	modules, err := os.MkdirTemp("", "arc-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(modules)
	preload, err := project.WriteModules(modules)
	if err != nil {
		return err
	}
	err = a.bunTest(ctx, bun, p.Dir, append(append([]string{"test", "--preload", preload}, dotted(files)...), rest...))
	ok := err == nil
	if !ok && ctx.Err() != nil {
		return stopped(ctx, ctx.Err())
	}
	if a.json {
		if err := writeJSON(a.out, testResult{ok, len(files), float64(time.Since(start).Microseconds()) / 1000}); err != nil {
			return err
		}
	}
	var exit *exec.ExitError
	switch {
	case ok:
		return nil
	case errors.As(err, &exit):
		return &coded{code: exitFailed} // Bun has said why
	}
	return fault.Wrap(err, fault.Unavailable, "bun could not be started").WithHint("is %s a program for this machine?", bun)
}

// bunTest shows what Bun says as it comes, all of it on stderr: it is not data.
func (a *app) bunTest(ctx context.Context, bun, dir string, args []string) error {
	cmd := exec.CommandContext(ctx, bun, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, a.err, a.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Second
	return cmd.Run()
}

// dotted makes Bun take the words as files, not as filters.
func dotted(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = "./" + strings.TrimPrefix(filepath.ToSlash(f), "./")
	}
	return out
}
