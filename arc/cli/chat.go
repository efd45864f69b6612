package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) chatCmd() *cobra.Command {
	var session, user string
	c := &cobra.Command{
		Use:     "chat AGENT",
		Short:   "Talk to an agent, line by line",
		Long:    wordsChatLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the name of an agent"),
		RunE: func(c *cobra.Command, args []string) error {
			if session == "" {
				session = strings.ToLower(rand.Text()[:10])
			}
			a.note("session %s: an empty line or Ctrl-D ends it, --session %s goes on with it", session, session)
			lines := bufio.NewScanner(a.in)
			lines.Buffer(nil, maxInput)
			for lines.Scan() {
				words := strings.TrimSpace(lines.Text())
				if words == "" {
					return nil
				}
				t := remote.Task{Unit: args[0], Words: words, Session: session, User: user}
				if err := a.streamed(c.Context(), t, startFlags{quiet: true}); err != nil {
					return err
				}
			}
			if err := lines.Err(); err != nil {
				return fault.Wrap(err, fault.Invalid, "a line cannot be read from stdin: %s", reason(err))
			}
			return nil
		},
	}
	addSession(c, &session, &user)
	return c
}

// streamed starts an agent and prints what it says as it says it.
func (a *app) streamed(ctx context.Context, t remote.Task, flags startFlags) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	t.Deadline, t.Key = flags.timeout, flags.key
	run, err := client.Start(ctx, t)
	if err != nil {
		return stopped(ctx, err)
	}
	if !flags.quiet {
		a.note("%s %s", a.paint("run "+run.ID, bold), run.Unit)
	}
	p := &speech{out: a.out}
	if a.json { // the whole run at its end: half a sentence is no JSON
		p.out = io.Discard
	}
	if err := client.Watch(ctx, run.ID, 0, p.hear); err != nil {
		if ctx.Err() != nil {
			return a.abandon(client, run.ID)
		}
		return err
	}
	if run, err = client.Run(ctx, run.ID); err != nil {
		return stopped(ctx, err)
	}
	if a.json {
		return a.outcome(run)
	}
	if run.State == "done" {
		return p.end(run)
	}
	fmt.Fprintln(a.out)
	return a.outcome(run)
}

// speech prints the text of turns: pieces as they come, and what is left of a turn
// when it is whole.
type speech struct {
	out  io.Writer
	said string // of this turn
	last string // the turn that was said last
}

func (s *speech) hear(e remote.Event) error {
	var data struct{ Text string }
	if json.Unmarshal(e.Data, &data) != nil {
		return nil
	}
	switch e.Kind {
	case "model.text":
		s.said += data.Text
		return s.print(safely(data.Text))
	case "model.retry", "model.fallback":
		if s.said != "" {
			s.said = ""
			return s.print("\n… once more:\n")
		}
	case "model.reply":
		rest, ok := strings.CutPrefix(data.Text, s.said)
		if !ok {
			rest = "\n" + data.Text
		}
		s.last, s.said = data.Text, ""
		if data.Text == "" {
			return nil
		}
		return s.print(safely(rest) + "\n")
	}
	return nil
}

// end prints the result where it is not what was said last.
func (s *speech) end(run remote.Run) error {
	var text string
	if json.Unmarshal(run.Output, &text) == nil && text == s.last || string(run.Output) == s.last {
		return nil
	}
	return writeValue(s.out, run.Output)
}

func (s *speech) print(text string) error {
	if _, err := io.WriteString(s.out, text); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}

// safely is text whose lines are clean.
func safely(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
