package compiler

import (
	"slices"
	"strings"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

func (u *units) agent(c *arctsc.Class, unit *bundle.Unit, o *options, mark arctsc.Mark) {
	spec := &bundle.AgentSpec{Model: o.text("model", ""), MaxSteps: o.count("maxSteps"), Budget: o.budget("budget"), Memory: o.flag("memory"), Code: o.flag("code")}
	if spec.Model == "" {
		u.fail(mark.At, "ARC1020", `write { model: "local:planner" } or another provider's`, "agent %s names no model", unit.Name)
	}
	if v := c.Instructions; v != nil {
		if v.Kind != arctsc.String {
			u.fail(v.At, "ARC1021", "write a string", "the instructions of agent %s are not a string", unit.Name)
		}
		spec.Instructions = v.String
	}
	unit.Agent = spec
	refs, at := o.list("tools"), unit.Name
	u.later = append(u.later, func() {
		if x := u.unit(at); x != nil && x.Agent != nil {
			x.Agent.Tools = u.resolve(refs, "tool")
		}
	})
}

func (u *units) team(unit *bundle.Unit, o *options, mark arctsc.Mark) {
	spec := &bundle.TeamSpec{Mode: o.text("mode", ""), MaxTurns: o.count("maxTurns"), Budget: o.budget("budget")}
	lead, hasLead := o.get("lead")
	if spec.Mode == "" {
		spec.Mode = "sequence"
		if hasLead {
			spec.Mode = "lead"
		}
	}
	if modes := []string{"lead", "parallel", "sequence", "vote", "handoff"}; !slices.Contains(modes, spec.Mode) {
		u.fail(o.at("mode"), "ARC1022", "one of: "+strings.Join(modes, ", "), "%q is no mode of a team", spec.Mode)
	}
	spec.Scratchpad = o.flag("scratchpad")
	unit.Team = spec
	members, at := o.list("members"), unit.Name
	if len(members) == 0 {
		u.fail(mark.At, "ARC1023", "write { members: [SomeAgent, …] }", "team %s has no members", unit.Name)
	}
	u.later = append(u.later, func() {
		x := u.unit(at)
		if x == nil || x.Team == nil {
			return
		}
		x.Team.Members = u.resolve(members, "member")
		if hasLead {
			x.Team.Lead = strings.Join(u.resolve([]arctsc.Value{lead}, "lead"), " ")
		}
		u.checkLead(x.Team, o, mark)
	})
}

func (u *units) checkLead(t *bundle.TeamSpec, o *options, mark arctsc.Mark) {
	switch {
	case t.Mode == "lead" && t.Lead == "":
		u.fail(mark.At, "ARC1024", "name one of the members: { lead: … }", "a team of mode lead needs a lead")
	case t.Lead != "" && !slices.Contains(t.Members, t.Lead):
		u.fail(o.at("lead"), "ARC1024", "add it to members", "the lead %s is not a member of its team", t.Lead)
	}
}

// foreignRef says whether a text names a unit of another bundle, and complains
// where it does not: what is wrong with it would else be known at upload only.
func (u *units) foreignRef(r arctsc.Value, what string) bool {
	ref, ok := bundle.ParseReference(r.String)
	if !ok && what == "tool" {
		ref, ok = bundle.ParsePattern(r.String)
	}
	if !ok || !strings.Contains(r.String, "@") {
		u.fail(r.At, "ARC1025", `a unit of another bundle is written "acme/search@^1#web"; one of this project is named by its class`,
			"there is no unit %q in this project", r.String)
		return false
	}
	if _, err := bundle.ParseRange(ref.Range); err != nil {
		u.fail(r.At, "ARC1025", `write 1.2.3, ^1, ~1.2 or ">=1.2 <3" between "@" and "#"`, "%q is not a range of versions", ref.Range)
		return false
	}
	return true
}

// resolve turns references into unit names. A class means all its tools, or the
// agent, team or pipeline that it is; a string names a unit of another bundle.
func (u *units) resolve(refs []arctsc.Value, what string) []string {
	var out []string
	for _, r := range refs {
		switch r.Kind {
		case arctsc.String:
			if _, own := u.at[r.String]; own || u.foreignRef(r, what) {
				out = appendNew(out, r.String)
			}
		case arctsc.Reference:
			id, label := r.Ref.ID, r.Ref.Name
			if r.Ref.Method != "" {
				id, label = id+"."+r.Ref.Method, label+".prototype."+r.Ref.Method
			}
			if len(u.names[id]) == 0 {
				u.fail(r.At, "ARC1025", "mark it with @tool(), or with @agent()", "%s is no unit, so it cannot be a %s", label, what)
				m := &u.msgs[len(u.msgs)-1]
				m.Notes = append(m.Notes, diag.Note{Text: "it is declared here", Place: place(r.Ref.At), LineText: r.Ref.At.LineText})
			}
			for _, n := range u.names[id] {
				out = appendNew(out, n)
			}
		default:
			u.fail(r.At, "ARC1025", "name a class, Class.prototype.method, or a unit of another bundle", "this is no reference to a unit")
		}
	}
	return out
}
