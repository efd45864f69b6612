package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) taskCmd() *cobra.Command {
	var flags startFlags
	var stream bool
	var session, user string
	c := &cobra.Command{
		Use:     "task AGENT WORDS...",
		Short:   "Give an agent a task in words",
		Long:    wordsTaskLong,
		GroupID: groupRun,
		Args:    want(2, 1000, "the name of an agent and what it should do"),
		RunE: func(c *cobra.Command, args []string) error {
			words := strings.Join(args[1:], " ")
			if words == "-" {
				text, err := io.ReadAll(io.LimitReader(a.in, maxInput))
				if err != nil {
					return fault.Wrap(err, fault.Invalid, "words cannot be read from stdin: %s", reason(err))
				}
				words = string(text)
			}
			if words = strings.TrimSpace(words); words == "" {
				return fault.New(fault.Invalid, "the task for %q is empty", args[0]).
					WithHint(`say what to do: arc task %s "…"`, args[0])
			}
			t := remote.Task{Unit: args[0], Words: words, Session: session, User: user}
			if stream {
				return a.streamed(c.Context(), t, flags)
			}
			return a.start(c.Context(), t, flags)
		},
	}
	flags.add(c)
	c.Flags().BoolVar(&stream, "stream", false, "print the answer as it is made, instead of the result at the end")
	addSession(c, &session, &user)
	return c
}

func addSession(c *cobra.Command, session, user *string) {
	c.Flags().StringVar(session, "session", "", "the conversation that this is the next turn of: any name")
	c.Flags().StringVar(user, "user", "", "whom the agent talks to: what it remembers is kept by user")
}
