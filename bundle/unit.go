package bundle

import (
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// checkUnit applies the rules of one unit.
func checkUnit(m *Manifest, u *Unit) *fault.Error {
	if !ValidUnitName(u.Name) {
		return refuse("bad unit name %q", u.Name).WithHint(`letters, digits, "_" and "-", parts joined with dots: "orders.get"`)
	}
	if err := checkKind(u); err != nil {
		return err
	}
	if err := checkEntry(m, u); err != nil {
		return err
	}
	if !isObject(u.Input) || !isObject(u.Output) {
		return refuse("input and output must be schema objects")
	}
	if err := checkTokens(u.Tokens); err != nil {
		return err
	}
	for i, p := range u.Params {
		if !validIdentifier(p) || slices.Contains(u.Params[:i], p) {
			return refuse("bad parameter name %q", p)
		}
	}
	if u.Rest && len(u.Params) == 0 {
		return refuse("it has a rest parameter and no parameters")
	}
	if err := checkReflected(u); err != nil {
		return err
	}
	if g := u.Limits.GraceMS; g != nil && (*g < 0 || *g > MostGraceMS) {
		return refuse("its grace is not 0 to %d ms", MostGraceMS)
	}
	if u.Retries < 0 || min(u.Limits.TimeoutMS, u.Limits.MemoryBytes, u.Limits.CPUMillis) < 0 {
		return refuse("a limit is below zero")
	}
	if err := checkStart(u); err != nil {
		return refuse("%s", err.Message)
	}
	if a := u.Approval; a != nil && (!u.Approve || a.TimeoutMS < 0 || len(a.Role) > 200) {
		return refuse("an approval belongs to a unit with approve, and its time is not below zero")
	}
	return checkRefs(m, u)
}

// checkStart: what starts the unit by itself, and how often at once.
func checkStart(u *Unit) *fault.Error {
	if u.Trigger != nil {
		if err := u.Trigger.Check(); err != nil {
			return err
		}
	}
	if u.Concurrency != nil {
		return u.Concurrency.Check()
	}
	return nil
}

// checkReflected: a value describes a tool, and leaves no parameters beside it.
func checkReflected(u *Unit) *fault.Error {
	r := u.Reflected
	switch {
	case r == nil:
	case u.Kind != Tool:
		return refuse("a %s has no schemas that are values", u.Kind)
	case r.Input == nil && r.Output == nil:
		return refuse("reflected names neither input nor output")
	case r.Input != nil && len(u.Params) > 0:
		return refuse("it has parameters beside an input that is one value")
	}
	return nil
}

// checkKind: the description that belongs to the kind is there and no other.
func checkKind(u *Unit) *fault.Error {
	if !slices.Contains([]Kind{Tool, Agent, Team, Pipeline}, u.Kind) {
		return refuse("unknown unit kind %q", u.Kind).WithHint("tool, agent, team or pipeline")
	}
	if (u.Kind == Agent) != (u.Agent != nil) || (u.Kind == Team) != (u.Team != nil) || (u.Kind == Pipeline) != (u.Pipeline != nil) {
		return refuse("the parts do not fit kind %q", u.Kind)
	}
	if u.Kind == Agent && (u.Agent.Model == "" || u.Agent.MaxSteps < 0 || u.Agent.Budget.negative()) {
		return refuse("an agent needs a model, and no limit below zero")
	}
	if u.Kind == Team {
		modes := []string{"lead", "parallel", "sequence", "vote", "handoff"}
		if !slices.Contains(modes, u.Team.Mode) || len(u.Team.Members) == 0 || u.Team.MaxTurns < 0 || u.Team.Budget.negative() {
			return refuse("a team needs members and a mode (%s), and no limit below zero", strings.Join(modes, " "))
		}
	}
	return nil
}

func (b Budget) negative() bool { return b.USD < 0 || b.Steps < 0 || min(b.Tokens, b.TimeMS) < 0 }

// checkEntry: tools and pipelines without steps need code, agents and teams
// have none.
func checkEntry(m *Manifest, u *Unit) *fault.Error {
	if u.Entry == nil {
		if u.Kind == Tool || u.Kind == Pipeline {
			return refuse("a %s needs an entry", u.Kind)
		}
		return nil
	}
	if u.Kind == Agent || u.Kind == Team {
		return refuse("a %s has no entry", u.Kind)
	}
	if _, ok := m.Files[u.Entry.Code]; !ok || !strings.HasPrefix(u.Entry.Code, "code/") {
		return refuse("the entry points to %q, which is no file under code/", u.Entry.Code)
	}
	if !validIdentifier(u.Entry.Export) || u.Entry.Method != "" && !validIdentifier(u.Entry.Method) {
		return refuse("the entry names %q, method %q, which are no identifiers", u.Entry.Export, u.Entry.Method)
	}
	return nil
}

// checkRefs: every unit that is named without a bundle is in this one.
func checkRefs(m *Manifest, u *Unit) *fault.Error {
	var refs []string
	switch {
	case u.Agent != nil:
		refs = u.Agent.Tools
	case u.Team != nil:
		refs = u.Team.Members
		if u.Team.Lead != "" {
			refs = append(slices.Clone(refs), u.Team.Lead)
		}
	case u.Pipeline != nil:
		refs = u.Pipeline.Uses
		if err := checkSteps(u.Pipeline.Steps); err != nil {
			return err
		}
	}
	for _, ref := range refs {
		if strings.ContainsAny(ref, "/@#") {
			continue // of another bundle: resolved at intake
		}
		if _, ok := m.Unit(ref); !ok {
			return refuse("it refers to unit %q, which is not in the bundle", ref)
		}
	}
	return nil
}

// checkSteps: names are unique and "after" can be obeyed.
func checkSteps(steps []Step) *fault.Error {
	index := map[string]int{}
	for i, s := range steps {
		if _, twice := index[s.Name]; twice || !validIdentifier(s.Name) {
			return refuse("bad step name %q", s.Name)
		}
		if s.Retries < 0 || s.TimeoutMS < 0 {
			return refuse("step %q has a limit below zero", s.Name)
		}
		if len(s.Output) > 0 && !isObject(s.Output) {
			return refuse("the output of step %q is not a schema object", s.Name)
		}
		if s.Undo != "" && !validIdentifier(s.Undo) {
			return refuse("step %q is undone by %q, which is no method", s.Name, s.Undo)
		}
		index[s.Name] = i
	}
	const walking, done = 1, 2
	state := make([]int, len(steps))
	var visit func(i int) *fault.Error
	visit = func(i int) *fault.Error {
		state[i] = walking
		for _, name := range steps[i].Needs() {
			j, ok := index[name]
			if !ok {
				return refuse("step %q comes after %q, which is no step", steps[i].Name, name)
			}
			if state[j] == walking {
				return refuse("steps %q and %q wait for each other", steps[i].Name, name)
			}
			if state[j] == 0 {
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		state[i] = done
		return nil
	}
	for i := range steps {
		if state[i] == 0 {
			if err := visit(i); err != nil {
				return err
			}
		}
	}
	return nil
}
