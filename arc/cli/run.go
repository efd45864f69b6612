package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// startFlags are shared by "arc run" and "arc task".
type startFlags struct {
	timeout time.Duration
	key     string
	detach  bool
	quiet   bool
}

func (f *startFlags) add(c *cobra.Command) {
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "end the run after this long, for example 30s (default: the unit's own)")
	c.Flags().StringVar(&f.key, "key", "", "idempotency key: the same key gives the same run (default: a fresh one)")
	c.Flags().BoolVar(&f.detach, "detach", false, "print the run's id and do not wait")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no events on stderr")
}

func (a *app) runCmd() *cobra.Command {
	var flags startFlags
	var input string
	c := &cobra.Command{
		Use:     "run UNIT",
		Short:   "Run a unit and print its result",
		Long:    wordsRunLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the name of a unit"),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := a.input(input)
			if err != nil {
				return err
			}
			return a.start(c.Context(), remote.Task{Unit: args[0], Input: data}, flags)
		},
	}
	c.Flags().StringVar(&input, "input", "{}", "the input: JSON, @FILE, or - for stdin")
	flags.add(c)
	return c
}

// maxInput is the largest input that is read, in bytes; ariad's own bound is lower.
const maxInput = 16 << 20

// input turns --input into checked JSON.
func (a *app) input(arg string) (json.RawMessage, error) {
	text, from := []byte(arg), "--input"
	var err error
	if arg == "-" {
		from = "stdin"
		text, err = io.ReadAll(io.LimitReader(a.in, maxInput+1))
	} else if name, ok := strings.CutPrefix(arg, "@"); ok {
		from = name
		text, err = readInput(name)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "input cannot be read from %s: %s", from, reason(err)).
			WithHint("give JSON, @FILE, or - for stdin")
	}
	if len(text) > maxInput {
		return nil, fault.New(fault.Invalid, "input from %s is larger than %s", from, bytesText(maxInput))
	}
	return checkJSON(text, from)
}

func readInput(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxInput+1))
}

func checkJSON(text []byte, from string) (json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, fault.New(fault.Invalid, "%s is not UTF-8", from).WithHint("JSON is UTF-8; bytes of another kind go in as base64")
	}
	var v json.RawMessage
	err := json.Unmarshal(text, &v)
	if err == nil {
		return v, nil
	}
	var se *json.SyntaxError
	if !errors.As(err, &se) {
		return nil, fault.Wrap(err, fault.Invalid, "%s is not JSON", from).WithHint("%s", hintJSON(from))
	}
	before := string(text[:max(0, min(int(se.Offset)-1, len(text)))])
	line := 1 + strings.Count(before, "\n")
	col := len(before) - strings.LastIndexByte(before, '\n')
	return nil, fault.New(fault.Invalid, "%s:%d:%d: not JSON: %s", from, line, col, se.Error()).WithHint("%s", hintJSON(from))
}

func hintJSON(from string) string {
	if from == "--input" {
		return hintQuoteJSON
	}
	return hintInputJSON
}

// start starts a task, follows it unless told not to, and ends as it ends.
func (a *app) start(ctx context.Context, t remote.Task, flags startFlags) error {
	if flags.timeout < 0 {
		return fault.New(fault.Invalid, "--timeout must not be negative, got %s", flags.timeout)
	}
	if flags.timeout > 0 { // whole milliseconds cross, and 0 would be no limit
		flags.timeout = max(flags.timeout, time.Millisecond)
	}
	t.Deadline, t.Key = flags.timeout, flags.key
	client, err := a.client()
	if err != nil {
		return err
	}
	run, err := client.Start(ctx, t)
	if err != nil {
		return stopped(ctx, err)
	}
	if flags.detach {
		return a.result(run, func(w io.Writer) { fmt.Fprintln(w, run.ID) })
	}
	if !flags.quiet {
		a.note("%s %s", a.paint("run "+run.ID, bold), run.Unit)
	}
	if err := client.Watch(ctx, run.ID, 0, a.follower(flags.quiet)); err != nil {
		if ctx.Err() != nil {
			return a.abandon(client, run.ID)
		}
		return err
	}
	if run, err = client.Run(ctx, run.ID); err != nil {
		return stopped(ctx, err)
	}
	return a.outcome(run)
}

// outcome prints what came of a run.
func (a *app) outcome(run remote.Run) error {
	if a.json {
		if err := writeJSON(a.out, run); err != nil {
			return err
		}
	}
	if run.State == "done" {
		if !a.json {
			return writeValue(a.out, run.Output)
		}
		return nil
	}
	e := fault.New(fault.Failed, "run %s ended as %s without saying why", run.ID, run.State)
	if p := run.Error; p != nil {
		e = fault.New(fault.Code(p.Code), "%s", p.Message)
		e.Hint, e.Stack = p.Hint, p.Stack
	}
	if e.Hint == "" {
		e.Hint = "arc logs " + run.ID
	}
	return e
}

// abandon cancels a run after Ctrl-C, with a little time of its own.
func (a *app) abandon(client *remote.Client, run string) error {
	ctx, done := context.WithTimeout(context.Background(), 3*time.Second)
	defer done()
	if _, err := client.Cancel(ctx, run, "interrupted by the caller"); err != nil {
		return &coded{exitInterrupted, fault.Wrap(err, fault.Interrupted, "interrupted, but run %s could not be cancelled", run).
			WithHint("arc cancel %s", run)}
	}
	return &coded{exitInterrupted, fault.New(fault.Cancelled, "interrupted, run %s was cancelled", run)}
}

// stopped gives an error exit code 130 if Ctrl-C caused it.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &coded{exitInterrupted, fault.New(fault.Cancelled, "interrupted")}
}

// writeValue prints a JSON value: indented for a terminal, on one line for a pipe.
func writeValue(w io.Writer, v json.RawMessage) error {
	if len(v) == 0 {
		v = json.RawMessage("null")
	}
	if isTerminal(w) {
		if b, err := json.MarshalIndent(v, "", "  "); err == nil {
			v = b
		}
	}
	if _, err := fmt.Fprintf(w, "%s\n", v); err != nil {
		return unwritten(err)
	}
	return nil
}
