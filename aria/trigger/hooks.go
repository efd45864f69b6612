package trigger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Entry is what is to be known of the triggers of one unit.
type Entry struct {
	Unit    string // bundle#unit
	Kind    bundle.Kind
	Trigger bundle.Trigger
	Paused  bool
	Next    time.Time // zero: no schedule, or paused
	LastRun task.ID
	Last    time.Time // when it was last triggered
	Problem string
}

// paused is why a unit was not started.
const paused = "its triggers are paused"

// List is what triggers units, in the order of their names.
func (t *Triggers) List() ([]Entry, error) {
	units, err := t.units()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, u := range units {
		out = append(out, t.entry(u, units))
	}
	return out, nil
}

func (t *Triggers) entry(u unit, all []unit) Entry {
	r := t.row(u.name)
	e := Entry{Unit: u.name, Kind: u.Kind, Trigger: u.trigger, Paused: r.paused, LastRun: r.run, Last: r.ran, Problem: r.problem}
	if s, err := u.trigger.Schedule(); err == nil && !s.Zero() && !r.paused {
		if e.Next = r.next; r.next.IsZero() || r.spec != specOf(u.trigger) {
			e.Next = s.Next(t.now())
		}
	}
	if rivals := rivals(u, all); len(rivals) > 0 {
		e.Problem = u.trigger.HTTP + " is also the path of " + strings.Join(rivals, ", ") + ", so nobody is called"
	}
	return e
}

// rivals are other units with the same path.
func rivals(u unit, all []unit) []string {
	var out []string
	for _, o := range all {
		if u.trigger.HTTP != "" && o.trigger.HTTP == u.trigger.HTTP && o.name != u.name {
			out = append(out, o.name)
		}
	}
	return out
}

// Pause keeps the triggers of a unit from starting it. After Resume a schedule
// goes on from then: what it missed while it was paused does not come.
func (t *Triggers) Pause(ref string, resume bool) (Entry, error) {
	units, err := t.units()
	if err != nil {
		return Entry{}, err
	}
	var found []unit
	var names []string
	for _, u := range units {
		names = append(names, u.name)
		if u.name == ref || u.Name == ref {
			found = append(found, u)
		}
	}
	switch len(found) {
	case 0:
		return Entry{}, fault.New(fault.NotFound, "nothing triggers a unit %q", ref).WithHint("see arc triggers")
	case 1:
	default:
		return Entry{}, fault.New(fault.Invalid, "unit %q is in more than one bundle", ref).WithHint("say which: %s", strings.Join(names, ", "))
	}
	u := found[0]
	err = t.change(u.name, func(r *row) {
		if r.paused = !resume; r.paused {
			r.next = time.Time{}
		}
	})
	t.poke()
	return t.entry(u, units), err
}

// Hook is a unit that can be called over HTTP.
type Hook struct {
	Unit   string // bundle#unit
	Secret string // that signs its calls; "": they bear the credential
	Schema json.RawMessage

	u unit
}

// Hook finds the unit that a call is for. Faults: NotFound, Invalid (the path is
// there for another method), Conflict (two units have it), Unavailable (paused).
func (t *Triggers) Hook(method, path string) (Hook, error) {
	units, err := t.units()
	if err != nil {
		return Hook{}, err
	}
	i := slices.IndexFunc(units, func(u unit) bool { return u.trigger.HTTP == method+" "+path })
	if i < 0 {
		return Hook{}, noHook(units, method, path)
	}
	u := units[i]
	if r := rivals(u, units); len(r) > 0 {
		return Hook{}, fault.New(fault.Conflict, "%s %s is the path of %s and of %s", method, path, u.name, strings.Join(r, ", ")).
			WithHint("give one of them another path")
	}
	if t.row(u.name).paused {
		return Hook{}, fault.New(fault.Unavailable, "%s takes no calls: %s", u.name, paused).WithHint("arc triggers resume %s", u.name)
	}
	schema, err := u.Schema(u.Input)
	return Hook{Unit: u.name, Secret: u.trigger.Secret, Schema: schema, u: u}, err
}

func noHook(units []unit, method, path string) error {
	for _, u := range units {
		if verb, p, _ := strings.Cut(u.trigger.HTTP, " "); p == path {
			return fault.New(fault.Invalid, "%s is called with %s, not %s", path, verb, method)
		}
	}
	return fault.New(fault.NotFound, "no unit is called at %.100s", path).WithHint("see arc triggers")
}

// Call starts the unit of a hook. The same id again is the same call; "" is a new
// one. signature is what the call was signed with, "" for one that bears the
// credential: a signature that was seen is the call that it was seen with, whatever
// id the call bears now, for nothing but the signature is the sender's for certain.
func (t *Triggers) Call(ctx context.Context, h Hook, input json.RawMessage, id, signature string) (task.Run, error) {
	if signature != "" {
		var err error
		if id, err = t.signedAs(ctx, h.Unit, signature, id); err != nil {
			return task.Run{}, err
		}
	}
	req := task.Request{Unit: h.u.Ref(), Input: input, Origin: "http " + h.u.trigger.HTTP}
	if id != "" {
		req.Key = task.OwnKeys + "http/" + h.Unit + "/" + digest(id)
	}
	run, err := t.tasks.Start(ctx, req)
	problem := ""
	if f, ok := fault.As(err); ok {
		problem = f.Message
	}
	t.note(h.Unit, run.ID, t.now(), problem)
	return run, err
}

// signaturesKept is how long a signature is known. One with a time is refused long
// before by its age.
const signaturesKept = 30 * 24 * time.Hour

// signedAs is the id that a signature was first seen with, which is on disk before
// anything is started.
func (t *Triggers) signedAs(ctx context.Context, unit, signature, id string) (string, error) {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("signed call: %w", err)
	}
	defer tx.Rollback()
	now := t.now()
	if _, err = tx.Exec(`DELETE FROM trigger_signed WHERE time < ?`, now.Add(-signaturesKept).UnixMilli()); err == nil {
		_, err = tx.Exec(`INSERT OR IGNORE INTO trigger_signed VALUES (?,?,?,?)`, unit, signature, id, now.UnixMilli())
	}
	if err == nil {
		err = tx.QueryRow(`SELECT call FROM trigger_signed WHERE unit = ? AND signature = ?`, unit, signature).Scan(&id)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return "", fmt.Errorf("signed call: %w", err)
	}
	return id, nil
}

// digest keeps keys short, whatever an id is.
func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
