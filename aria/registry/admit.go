package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// served are the token schemes that this build can lease to a container.
var served = []string{"blob", "fs", "kv", "llm", "lock", "net", "queue", "secret", "vector"}

// admit refuses a bundle whose units ask for what this build does not serve:
// better at the door than in the middle of a run.
func admit(m *bundle.Manifest) error {
	for _, u := range m.Units {
		if u.Kind == bundle.Agent || u.Kind == bundle.Team {
			continue // they hold nothing: their tools do, each under its own lease
		}
		for _, s := range u.Tokens {
			t, err := token.Parse(s)
			if err != nil {
				return fmt.Errorf("unit %s: %w", u.Name, err)
			}
			if !slices.Contains(served, string(t.Scheme())) {
				return fault.New(fault.Unimplemented, "%s: unit %s asks for %s, and this build does not serve %q",
					where(m, u, s), u.Name, s, t.Scheme()).WithHint("this build serves %s; take the handle out", strings.Join(served, ", "))
			}
			if _, bound := t.Binding(); t.Scheme() == "secret" && !bound {
				return fault.New(fault.Denied, "%s: unit %s asks for %s, which is bound to no host", where(m, u, s), u.Name, s).
					WithHint("a secret never enters a container; bind it: net('api.example.com', { auth: secret('KEY') })")
			}
		}
	}
	return nil
}

// where is the place in the author's source that asks for a token.
func where(m *bundle.Manifest, u bundle.Unit, tok string) string {
	p := u.Place
	for _, use := range m.Permissions.Tokens {
		if use.Token == tok && len(use.Where) > 0 {
			p = use.Where[0]
		}
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}
