package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/token"
)

func (a *app) policyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "policy {check}",
		Short:   "Check what a policy says of tokens",
		GroupID: groupMore,
		Args:    oneOfCommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.policyCheckCmd())
	return c
}

// policyChecked is the outcome of arc policy check.
type policyChecked struct {
	File       string       `json:"file"`
	Tenants    int          `json:"tenants"`
	Namespaces int          `json:"namespaces"`
	Bundle     string       `json:"bundle,omitempty"`
	Units      []policyUnit `json:"units,omitempty"`
	Refused    int          `json:"refused"`
}

type policyUnit struct {
	Unit   string          `json:"unit"`
	Tokens []policy.Answer `json:"tokens"`
}

func (a *app) policyCheckCmd() *cobra.Command {
	var path, tenant, modelsFile string
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a policy, and explain what a bundle would get and why",
		Long:  wordsPolicyCheckLong,
		Args:  want(0, 1, "the path of a policy"),
		RunE: func(c *cobra.Command, args []string) error {
			p, out, err := a.readPolicy(c, args)
			if err != nil {
				return err
			}
			if path != "" {
				_, b, err := openBundle(path)
				if err != nil {
					return err
				}
				if err := out.judge(p, tenant, path, b.Manifest); err != nil {
					return err
				}
			}
			if modelsFile != "" {
				f, err := models.Read(modelsFile)
				if err != nil {
					return err
				}
				if err := out.explainModels(f, modelsFile, p, tenant); err != nil {
					return err
				}
			}
			if err := a.result(out, func(w io.Writer) { out.write(w) }); err != nil {
				return err
			}
			if out.Refused > 0 {
				return fault.New(fault.Denied, "the policy would refuse %s of %s", count(out.Refused, "token"), path).
					WithHint("add patterns that cover them to allow, or take the handles out")
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "bundle", "", "explain every token of this .aria `file`")
	c.Flags().StringVar(&modelsFile, "models", "", "with --bundle: say beside it what this models `file` limits")
	c.Flags().StringVar(&tenant, "tenant", "", "for this `tenant` (default: the default tenant)")
	return c
}

// readPolicy reads the file, or asks ariad for the policy that holds.
func (a *app) readPolicy(c *cobra.Command, args []string) (*policy.Policy, policyChecked, error) {
	var p *policy.Policy
	var out policyChecked
	if len(args) == 1 {
		var err error
		if p, _, err = policy.Load(args[0]); err != nil {
			return nil, out, err
		}
		out.File = args[0]
	} else {
		client, err := a.client()
		if err != nil {
			return nil, out, err
		}
		held, err := client.Policy(c.Context())
		if err != nil {
			return nil, out, err
		}
		if held.Problem != "" {
			a.note("a newer text does not hold: %s", held.Problem)
		}
		out.File = first(held.File, "no policy: everything is allowed")
		if held.File != "" {
			if p, err = policy.Parse(held.File, []byte(held.Text)); err != nil {
				return nil, out, err
			}
		}
	}
	if p != nil {
		out.Tenants, out.Namespaces = len(p.Tenants), len(p.Namespace)
	}
	return p, out, nil
}

func (o *policyChecked) judge(p *policy.Policy, tenant, path string, m *bundle.Manifest) error {
	o.Bundle = path
	who := policy.Who{Tenant: tenant, Package: m.Name}
	for _, u := range m.Units {
		one := policyUnit{Unit: u.Name, Tokens: []policy.Answer{}}
		for _, text := range u.Tokens {
			t, err := token.Parse(text)
			if err != nil {
				return err
			}
			answer := p.Explain(who, t)
			if !answer.Allowed {
				o.Refused++
			}
			one.Tokens = append(one.Tokens, answer)
		}
		o.Units = append(o.Units, one)
	}
	return nil
}

func (o policyChecked) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, %s\n", clean(o.File), count(o.Tenants, "tenant"), count(o.Namespaces, "namespace"))
	for _, u := range o.Units {
		fmt.Fprintf(w, "%s\n", clean(u.Unit))
		if len(u.Tokens) == 0 {
			fmt.Fprintln(w, "  asks for nothing")
		}
		for _, t := range u.Tokens {
			verdict := "allowed"
			if !t.Allowed {
				verdict = "refused"
			}
			fmt.Fprintf(w, "  %s  %s\n    %s\n", verdict, clean(t.Token), clean(strings.Join(t.Why, "\n    ")))
		}
	}
}
