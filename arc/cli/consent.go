package cli

import (
	"bufio"
	"context"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/diff"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// consent compares a bundle with the registered version that it would follow.
// If it may do more, somebody must have said yes: with --allow-widening, or now.
// What was agreed to is for the server, which asks too.
func (a *app) consent(ctx context.Context, client *remote.Client, b *bundle.Bundle, allowed bool) ([]string, error) {
	held, err := client.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	var last *remote.Bundle
	for i, h := range held { // by name, then version, oldest first
		if h.Name != b.Manifest.Name || h.Mode != "register" {
			continue
		}
		if h.Version == b.Manifest.Version {
			return nil, nil // the same again, or a conflict that the server names
		}
		last = &held[i]
	}
	if last == nil {
		return nil, nil
	}
	old, err := heldSide(ctx, client, last.Digest)
	if err != nil {
		return nil, err
	}
	report := diff.Compare(old, diff.NewSide(b.Manifest, b.Digest))
	return accepted(report.Wider), a.agree(report, "upload", allowed)
}

// accepted are permissions in the words of the wire.
func accepted(list []diff.Permission) []string {
	var out []string
	for _, p := range list {
		switch p.Kind {
		case "token":
			out = append(out, p.What)
		case "import":
			out = append(out, "import "+p.What)
		}
	}
	return out
}

// everything is all that a bundle may do, for builds of the author's own loop.
func everything(m *bundle.Manifest) []string {
	var out []string
	for _, t := range m.Permissions.Tokens {
		out = append(out, t.Token)
	}
	for _, i := range m.Permissions.Imports {
		out = append(out, "import "+i)
	}
	return out
}

// agree is nil if the new version may do no more than the old one, or if
// somebody agrees to it. verb is what they agree to.
func (a *app) agree(r diff.Report, verb string, allowed bool) error {
	if len(r.Wider) == 0 {
		return nil
	}
	defer a.progress.pause()()
	if !a.forMachines() {
		a.note("%s %s may do what %s may not:", r.New.Name, r.New.Version, r.Old.Version)
		writePermissionList(a.err, "+", r.Wider)
	}
	if allowed || a.agreed(verb) {
		return nil
	}
	var what []string
	for _, p := range r.Wider {
		what = append(what, permissionText(p))
	}
	return fault.New(fault.Denied, "%s %s asks for more than %s, and nobody agreed: %s",
		r.New.Name, r.New.Version, r.Old.Version, strings.Join(what, ", ")).
		WithHint("look at it with arc diff, then %s with --allow-widening", verb)
}

// agreed asks whoever sits at the terminal; without one the answer is no.
func (a *app) agreed(verb string) bool {
	if a.forMachines() || !isTerminal(a.in) || !isTerminal(a.err) {
		return false
	}
	a.note("%s it all the same? [y/N]", verb)
	line, _ := bufio.NewReader(a.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}
