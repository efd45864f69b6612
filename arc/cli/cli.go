// Package cli is the arc command: one file per command, words.go for the
// sentences, exit.go for the exit codes. Data goes to stdout and everything
// else to stderr; every command has one result that is rendered for people or,
// with --json, as JSON. It holds no logic of its own: building is
// arc/compiler's, the wire is arc/remote's.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ariacomputecompany/firmware/arc/cell"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Main runs arc with its arguments (without the program's name) and returns
// the exit code.
func Main(args []string) int {
	if len(args) == 1 && args[0] == cell.Word {
		return cell.Enter()
	}
	spendMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends arc at once: give the signal back after the first.
	context.AfterFunc(ctx, stop)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}
	return a.run(ctx, args)
}

// app is one invocation: where it reads and writes, and the global flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string

	json           bool
	frozen         bool // of the commands that build
	reflect        bool // of the same
	sarif          string
	server         string
	credentialFile string
	progress       progress // of the commands that take time
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	a.complain(err)
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "arc",
		Short:         wordsShort,
		Long:          wordsLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          oneOfCommands,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(usageError)
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print the result as JSON, streams and errors as one JSON object a line")
	flags.StringVar(&a.server, "server", "", "address of ariad (ARIA_SERVER; default "+remote.DefaultServer+")")
	flags.StringVar(&a.credentialFile, "credential-file", "", "file that holds the credential (ARIA_CREDENTIAL_FILE)")
	root.AddGroup(
		&cobra.Group{ID: groupAuthor, Title: "Write and build:"},
		&cobra.Group{ID: groupSign, Title: "Sign and compare:"},
		&cobra.Group{ID: groupRun, Title: "Upload and run:"},
		&cobra.Group{ID: groupShare, Title: "Share:"},
		&cobra.Group{ID: groupMore, Title: "More:"},
	)
	root.SetHelpCommandGroupID(groupMore)
	root.SetCompletionCommandGroupID(groupMore)
	root.AddCommand(
		a.newCmd(), a.devCmd(), a.checkCmd(), a.buildCmd(), a.testCmd(), a.inspectCmd(),
		a.keyCmd(), a.signCmd(), a.verifyCmd(), a.trustCmd(), a.diffCmd(),
		a.uploadCmd(), a.rmCmd(), a.runCmd(), a.taskCmd(), a.chatCmd(), a.lsCmd(), a.logsCmd(), a.psCmd(), a.approveCmd(), a.graphCmd(), a.triggersCmd(), a.emitCmd(), a.cancelCmd(), a.tokensCmd(), a.modelsCmd(), a.whyCmd(), a.secretCmd(),
		a.replayCmd(), a.tailCmd(), a.costCmd(), a.resumeCmd(), a.drainCmd(), a.backupCmd(), a.restoreCmd(),
		a.publishCmd(), a.installCmd(), a.outdatedCmd(), a.yankCmd(),
		a.infoCmd(), a.policyCmd(), a.doctorCmd(), a.manCmd(), a.firmwareCmd(), a.versionCmd(),
	)
	root.SetHelpCommand(a.helpCmd())
	return root
}

const (
	groupAuthor = "author"
	groupSign   = "sign"
	groupRun    = "run"
	groupShare  = "share"
	groupMore   = "more"
)

// client connects as the flags, then the environment, then the defaults say.
func (a *app) client() (*remote.Client, error) {
	server := first(a.server, a.env("ARIA_SERVER"), remote.DefaultServer)
	cred, err := remote.FindCredential(first(a.credentialFile, a.env("ARIA_CREDENTIAL_FILE")), a.env)
	if err != nil {
		return nil, err
	}
	return remote.New(server, cred)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// oneOfCommands refuses a word that is no command of c.
func oneOfCommands(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.SuggestionsMinimumDistance == 0 {
		c.SuggestionsMinimumDistance = 2
	}
	e := fault.New(fault.Invalid, "unknown command %q for %q", args[0], c.CommandPath())
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return e.WithHint("did you mean %q?", c.CommandPath()+" "+near[0])
	}
	return e.WithHint(`see "%s --help"`, c.CommandPath())
}

// usageError is what flag parsing says, as a fault.
func usageError(c *cobra.Command, err error) error {
	e := fault.New(fault.Invalid, "%s", err.Error())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if near := nearFlag(c, unknown.GetSpecifiedName()); near != "" {
			return e.WithHint("did you mean --%s?", near)
		}
	}
	return e.WithHint(`see "%s --help"`, c.CommandPath())
}

// nearFlag guesses a flag by cobra's own measure, which knows only commands:
// so the flags are dressed as such.
func nearFlag(c *cobra.Command, name string) string {
	probe := &cobra.Command{SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		probe.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := probe.SuggestionsFor(name); len(near) > 0 {
		return near[0]
	}
	return ""
}

// want checks the number of words after a command.
func want(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return fault.New(fault.Invalid, "%s needs %s", c.CommandPath(), what).WithHint("usage: %s", c.UseLine())
		}
		if len(args) > most {
			return fault.New(fault.Invalid, "%s: too many words, %q is one more than it takes", c.CommandPath(), args[most]).
				WithHint("usage: %s", c.UseLine())
		}
		return nil
	}
}
