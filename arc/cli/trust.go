package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/keys"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/trust"
)

// trustRule is a rule of the trust file as it is shown.
type trustRule struct {
	Namespace string       `json:"namespace"`
	Policy    trust.Policy `json:"policy"`
	Keys      []string     `json:"keys"`
}

type trustResult struct {
	Path    string      `json:"path"`
	Changed bool        `json:"changed"`
	Rules   []trustRule `json:"rules"`
}

// keyArg is a key that a command was given for a namespace.
type keyArg struct {
	namespace string
	key       keys.Key
}

func (a *app) trustCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "trust",
		Short:   "Say whose signatures count for what",
		Long:    wordsTrustLong,
		GroupID: groupSign,
		Args:    oneOfCommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&file, "trust-file", "", "the trust file (default "+trust.FileName+" in the configuration folder)")
	c.AddCommand(a.trustAddCmd(&file), a.trustRemoveCmd(&file), a.trustListCmd(&file))
	return c
}

func (a *app) trustAddCmd(file *string) *cobra.Command {
	var policy string
	c := &cobra.Command{
		Use:   "add NAMESPACE KEY",
		Short: "Let a key sign for a namespace",
		Args:  want(2, 2, `a namespace and a key: a name, the path of a .pub file, or the key itself ("RW…")`),
		RunE: func(_ *cobra.Command, args []string) error {
			if policy != "" && policy != string(trust.Required) && policy != string(trust.Optional) {
				return fault.New(fault.Invalid, "unknown policy %q", policy).WithHint(`policies are "required" and "optional"`)
			}
			return a.editTrust(*file, args, func(t *trust.Trust, k keyArg) (bool, error) {
				changed, err := t.Add(k.namespace, k.key.Key, trust.Policy(policy))
				if err == nil {
					a.note("%s may sign for %s", k.key.ID, k.namespace)
				}
				return changed, err
			})
		},
	}
	c.Flags().StringVar(&policy, "policy", "", `"required": only signed bundles pass (the default of a new rule); "optional": unsigned ones too`)
	return c
}

func (a *app) trustRemoveCmd(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAMESPACE KEY",
		Short: "Take a key's trust for a namespace away",
		Args:  want(2, 2, "a namespace and a key"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.editTrust(*file, args, func(t *trust.Trust, k keyArg) (bool, error) {
				if !t.Remove(k.namespace, k.key.Key) {
					return false, fault.New(fault.NotFound, "key %s is not trusted for %q", k.key.ID, k.namespace).
						WithHint(`"arc trust list" shows who is`)
				}
				a.note("%s may no longer sign for %s", k.key.ID, k.namespace)
				return true, nil
			})
		},
	}
}

func (a *app) trustListCmd(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the rules of the trust file",
		Args:  want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.trustFile(*file)
			if err != nil {
				return err
			}
			t, err := trust.Load(path)
			if err != nil {
				return err
			}
			return a.showTrust(trustResult{Path: path}, t)
		},
	}
}

func (a *app) editTrust(file string, args []string, edit func(*trust.Trust, keyArg) (bool, error)) error {
	path, err := a.trustFile(file)
	if err != nil {
		return err
	}
	store, err := a.keys()
	if err != nil {
		return err
	}
	t, err := trust.Load(path)
	if err != nil {
		return err
	}
	k, err := store.Public(args[1])
	if err != nil {
		return err
	}
	changed, err := edit(&t, keyArg{args[0], k})
	if err != nil {
		return err
	}
	if changed {
		if err := t.Save(path); err != nil {
			return err
		}
	}
	if !a.json {
		return nil
	}
	return a.showTrust(trustResult{Path: path, Changed: changed}, t)
}

func (a *app) showTrust(r trustResult, t trust.Trust) error {
	r.Rules = []trustRule{}
	for _, ns := range slices.Sorted(maps.Keys(t.Rules)) {
		rule := trustRule{ns, trust.Policy(first(string(t.Rules[ns].Policy), string(trust.Required))), []string{}}
		for _, k := range t.Rules[ns].Keys {
			rule.Keys = append(rule.Keys, k.String())
		}
		r.Rules = append(r.Rules, rule)
	}
	return a.result(r, func(w io.Writer) {
		if len(r.Rules) == 0 {
			a.note(`nobody is trusted yet: "arc trust add NAMESPACE KEY" changes that (%s)`, r.Path)
			return
		}
		table(w, "NAMESPACE\tSIGNATURE\tKEYS", len(r.Rules), func(i int) string {
			return fmt.Sprintf("%s\t%s\t%s", r.Rules[i].Namespace, r.Rules[i].Policy, first(strings.Join(r.Rules[i].Keys, " "), "-"))
		})
	})
}
