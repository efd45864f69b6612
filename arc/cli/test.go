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
	Runs   int     `json:"runs"` // recorded ones that were played
	TookMS float64 `json:"tookMs"`
}

func (a *app) testCmd() *cobra.Command {
	var only string
	var watch, noRuns bool
	var from []string
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
			return a.test(c.Context(), testRequest{dir: dirArg(args), rest: rest, from: from, noRuns: noRuns || watch || only != ""})
		},
	}
	a.addFrozen(c)
	c.Flags().StringVarP(&only, "name", "t", "", "only tests whose name matches this regular expression")
	c.Flags().StringSliceVar(&from, "from-runs", nil, "first make tests of runs: =RUN,RUN, or the newest of each unit (kept in tests/runs)")
	c.Flags().Lookup("from-runs").NoOptDefVal = newestRuns
	c.Flags().BoolVar(&noRuns, "no-runs", false, "leave out the recorded runs in tests/runs, which need an ariad")
	c.Flags().BoolVar(&watch, "watch", false, "run them again at every change")
	return c
}

// testRequest is one arc test.
type testRequest struct {
	dir    string
	rest   []string // for bun test
	from   []string // runs to make tests of
	noRuns bool
}

func (a *app) test(ctx context.Context, r testRequest) error {
	start := time.Now()
	p, err := project.Load(r.dir)
	if err != nil {
		return asBuild(err)
	}
	if len(r.from) > 0 {
		if err := a.record(ctx, p, r.from); err != nil {
			return stopped(ctx, err)
		}
	}
	files, err := p.Tests()
	if err != nil {
		return asBuild(err)
	}
	var runs []string
	if !r.noRuns {
		if runs, err = recordedTests(p.Dir); err != nil {
			return err
		}
	}
	if len(files)+len(runs) == 0 {
		return asBuild(fault.New(fault.NotFound, "%s has no tests", p.Name).
			WithHint("write one beside the source: src/hello.test.ts, with test and expect from \"bun:test\" and memoryHost from \"@aria/sdk/testing\""))
	}
	ok := true
	if len(files) > 0 {
		if ok, err = a.testFiles(ctx, p, files, r.rest); err != nil {
			return err
		}
	}
	if len(runs) > 0 {
		passed, err := a.playRuns(ctx, p, runs)
		if err != nil {
			return stopped(ctx, err)
		}
		ok = ok && passed == len(runs)
		a.note("%d of %d recorded runs came out the same", passed, len(runs))
	}
	if a.json {
		if err := writeJSON(a.out, testResult{ok, len(files), len(runs), float64(time.Since(start).Microseconds()) / 1000}); err != nil {
			return err
		}
	}
	if !ok {
		return &coded{code: exitFailed} // it has been said why
	}
	return nil
}

// testFiles runs the project's *.test.ts in Bun, which says what is wrong.
func (a *app) testFiles(ctx context.Context, p *project.Project, files, rest []string) (bool, error) {
	if err := packages.Ensure(ctx, packages.Request{Dir: p.Dir, Frozen: a.frozen, Env: a.env, Note: a.note}); err != nil {
		return false, asBuild(err)
	}
	bun, err := packages.Bun(a.env)
	if err != nil {
		return false, err
	}
	modules, err := os.MkdirTemp("", "arc-test-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(modules)
	preload, err := project.WriteModules(modules)
	if err != nil {
		return false, err
	}
	err = a.bunTest(ctx, bun, p.Dir, append(append([]string{"test", "--preload", preload}, dotted(files)...), rest...))
	if err != nil && ctx.Err() != nil {
		return false, stopped(ctx, ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, fault.Wrap(err, fault.Unavailable, "bun could not be started").WithHint("is %s a program for this machine?", bun)
	}
	return err == nil, nil
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
