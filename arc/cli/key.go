package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/keys"
)

type keyList struct {
	Keys []keys.Key `json:"keys"`
}

func (a *app) keyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "key",
		Short:   "Make and show the keys that sign bundles",
		Long:    wordsKeyLong,
		GroupID: groupSign,
		Args:    oneOfCommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.keyNewCmd(), a.keyListCmd(), a.keyShowCmd())
	return c
}

func (a *app) keyNewCmd() *cobra.Command {
	var password bool
	c := &cobra.Command{
		Use:   "new [NAME]",
		Short: "Make a key pair (default name: " + keys.DefaultName + ")",
		Args:  want(0, 1, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.keys()
			if err != nil {
				return err
			}
			name := keys.DefaultName
			if len(args) > 0 {
				name = args[0]
			}
			pw, err := a.password(password, true)
			if err != nil {
				return err
			}
			k, err := store.New(name, pw)
			if err != nil {
				return err
			}
			a.note("made key %s (%s)\n  secret  %s  keep it, nobody can make it again\n  public  %s  give it to whoever is to trust you",
				k.Name, k.ID, k.Secret, k.Path)
			return a.result(k, func(w io.Writer) { fmt.Fprintln(w, k.Public) })
		},
	}
	c.Flags().BoolVar(&password, "password", false, "put the secret key under a password, read from stdin")
	return c
}

func (a *app) keyListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys at hand",
		Args:  want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			store, err := a.keys()
			if err != nil {
				return err
			}
			list, err := store.List()
			if err != nil {
				return err
			}
			return a.result(keyList{list}, func(w io.Writer) {
				if len(list) == 0 {
					a.note(`no key yet: "arc key new" makes one`)
					return
				}
				table(w, "NAME\tID\tPUBLIC KEY\tSECRET", len(list), func(i int) string {
					k := list[i]
					return fmt.Sprintf("%s\t%s\t%s\t%s", k.Name, k.ID, k.Public, first(k.Secret, "-"))
				})
			})
		},
	}
}

func (a *app) keyShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show [KEY]",
		Short: "Show a public key (a name, or the path of a .pub file)",
		Args:  want(0, 1, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.keys()
			if err != nil {
				return err
			}
			ref := keys.DefaultName
			if len(args) > 0 {
				ref = args[0]
			}
			k, err := store.Public(ref)
			if err != nil {
				return err
			}
			a.note("key %s, id %s, secret half: %s", first(k.Name, "without a name"), k.ID, first(k.Secret, "not here"))
			return a.result(k, func(w io.Writer) { fmt.Fprintln(w, k.Public) })
		},
	}
}
