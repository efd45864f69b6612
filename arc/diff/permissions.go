package diff

import (
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/token"
)

// permissions compares what the whole bundle may do.
func (r *Report) permissions(old, new *bundle.Manifest) {
	had, has := old.Permissions, new.Permissions
	for _, u := range uncovered(has.Tokens, had.Tokens) {
		r.Wider = append(r.Wider, Permission{Kind: "token", What: u.Token, Where: places(u.Where)})
	}
	for _, u := range uncovered(had.Tokens, has.Tokens) {
		r.Narrower = append(r.Narrower, Permission{Kind: "token", What: u.Token, Where: places(u.Where)})
	}
	for _, i := range without(has.Imports, had.Imports) {
		r.Wider = append(r.Wider, Permission{Kind: "import", What: i, Where: places(nil)})
	}
	for _, i := range without(had.Imports, has.Imports) {
		r.Narrower = append(r.Narrower, Permission{Kind: "import", What: i, Where: places(nil)})
	}
	for i := range new.Units {
		n := &new.Units[i]
		o, existed := old.Unit(n.Name)
		if !existed {
			o = &bundle.Unit{}
		}
		r.calls(o, n)
		if existed {
			r.moved(o, n)
		}
	}
}

// calls: a unit of another bundle brings its own permissions with it, so being
// allowed to call one is a permission; so is not having to ask a person.
func (r *Report) calls(o, n *bundle.Unit) {
	at := []bundle.Place{n.Place}
	for _, ref := range without(foreign(n), foreign(o)) {
		r.Wider = append(r.Wider, Permission{Kind: "call", What: ref, Unit: n.Name, Where: at})
	}
	for _, ref := range without(foreign(o), foreign(n)) {
		r.Narrower = append(r.Narrower, Permission{Kind: "call", What: ref, Unit: n.Name, Where: at})
	}
	if o.Approve && !n.Approve {
		r.Wider = append(r.Wider, Permission{Kind: "approval", What: "runs without a person's approval", Unit: n.Name, Where: at})
	}
	if o.Name != "" && !o.Approve && n.Approve {
		r.Narrower = append(r.Narrower, Permission{Kind: "approval", What: "needs a person's approval", Unit: n.Name, Where: at})
	}
}

// moved: a unit may now do what only other units of the bundle could.
func (r *Report) moved(o, n *bundle.Unit) {
	for _, t := range uncovered(uses(n.Tokens), uses(o.Tokens)) {
		if !slices.ContainsFunc(r.Wider, func(p Permission) bool { return p.What == t.Token }) {
			r.note(Unit, n.Name, "/tokens", "now asks for "+t.Token+", as other units did")
		}
	}
}

// foreign are the units of other bundles that u names.
func foreign(u *bundle.Unit) []string {
	var all []string
	if u.Agent != nil {
		all = append(all, u.Agent.Tools...)
	}
	if u.Team != nil {
		all = append(all, u.Team.Members...)
	}
	if u.Pipeline != nil {
		all = append(all, u.Pipeline.Uses...)
	}
	return slices.DeleteFunc(all, func(ref string) bool { return !strings.ContainsAny(ref, "/@#") })
}

func uses(tokens []string) []bundle.TokenUse {
	var out []bundle.TokenUse
	for _, t := range tokens {
		out = append(out, bundle.TokenUse{Token: t})
	}
	return out
}

// uncovered are the uses in list that no token of by covers. A manifest's tokens
// were parsed when it was opened; one that does not parse covers nothing.
func uncovered(list, by []bundle.TokenUse) []bundle.TokenUse {
	var have token.Set
	for _, u := range by {
		if t, err := token.Parse(u.Token); err == nil {
			have = append(have, t)
		}
	}
	var out []bundle.TokenUse
	for _, u := range list {
		if t, err := token.Parse(u.Token); err != nil || !have.Covers(t) {
			out = append(out, u)
		}
	}
	return out
}

// without is list less those of other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func places(list []bundle.Place) []bundle.Place { return append([]bundle.Place{}, list...) }
