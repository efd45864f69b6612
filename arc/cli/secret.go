package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

const wordsSecretLong = `Secrets are credentials that units use and never see. A unit binds one to a host,
net('api.example.com', { auth: secret('KEY') }), and Quilt adds it to requests for
that host, outside the container. Values are kept encrypted beside the data; they
can be replaced and removed, not read back.`

type secretList struct {
	Secrets []remote.Secret `json:"secrets"`
}

type removedSecret struct {
	Removed string `json:"removed"`
}

func (a *app) secretCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "secret",
		Short:   "Set, list and remove credentials that units use and never see",
		Long:    wordsSecretLong,
		GroupID: groupRun,
		Args:    oneOfCommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.secretSetCmd(), a.secretListCmd(), a.secretRemoveCmd())
	return c
}

func (a *app) secretSetCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "Give a secret a value, or a new one: read from stdin, or asked for",
		Long: `Reads the value from standard input, or asks for it without showing it. It is never
an argument, where the list of processes would tell it. A secret that is there gets
the new value at once, for every request from then on.

  arc secret set STRIPE_KEY < key.txt`,
		Args: want(1, 1, "the name of a secret"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			value, err := a.secretValue(args[0])
			if err != nil {
				return err
			}
			s, err := client.SetSecret(c.Context(), args[0], value)
			if err != nil {
				return err
			}
			return a.result(s, func(w io.Writer) { fmt.Fprintf(w, "%s is set (version %d)\n", s.Name, s.Version) })
		},
	}
}

// maxSecret is more than any value may have, so that quiltd can say it.
const maxSecret = 64 << 10

func (a *app) secretValue(name string) (string, error) {
	if value, ok, err := a.hidden("value of " + clean(name)); ok {
		return value, err
	}
	b, err := io.ReadAll(io.LimitReader(a.in, maxSecret))
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "the value was not read from stdin")
	}
	value := strings.TrimRight(string(b), "\r\n")
	if value == "" {
		return "", fault.New(fault.Invalid, "stdin holds no value for %s", name).WithHint("arc secret set %s < FILE", name)
	}
	return value, nil
}

func (a *app) secretListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the names of secrets",
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Secrets(c.Context())
			if err != nil {
				return err
			}
			return a.result(secretList{list}, func(w io.Writer) {
				if len(list) == 0 {
					a.note(`no secret yet: "arc secret set NAME" makes one`)
					return
				}
				table(w, "NAME\tVERSION\tCHANGED", len(list), func(i int) string {
					s := list[i]
					return fmt.Sprintf("%s\t%d\t%s", s.Name, s.Version, s.Changed.Local().Format(time.DateTime))
				})
			})
		},
	}
}

func (a *app) secretRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a secret",
		Args:  want(1, 1, "the name of a secret"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			if err := client.RemoveSecret(c.Context(), args[0]); err != nil {
				return err
			}
			return a.result(removedSecret{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is removed\n", args[0]) })
		},
	}
}
