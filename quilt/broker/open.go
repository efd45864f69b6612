package broker

import (
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Opened names what a call opened for the calls that come after it: a lock, a
// transaction. The id is the call's: an execution never has one twice, and a unit
// that is run again after a crash makes the same call with the same id. So no id
// ever means something else than what it was given out for.
type Opened struct {
	Execution string
	ID        int64
}

// Opens is the name of what c opens.
func (c Call) Opens() Opened { return Opened{c.Execution, c.ID} }

// Kept is a Hold on its way to another quiltd.
type Kept struct {
	Token string
	Fence uint64
}

// Keep is what Reuse needs of h.
func (h Hold) Keep() Kept { return Kept{h.Token.String(), h.Fence} }

// Reuse is the hold that was kept in the quiltd before. Fault: Interrupted if it
// did not come along.
func (c Call) Reuse(k Kept) (Hold, error) {
	lost := fault.New(fault.Interrupted, "%s was lost when quiltd was replaced", k.Token).
		WithHint("others may have held it meanwhile; check what was done under it")
	t, err := token.Parse(k.Token)
	if err != nil {
		return Hold{}, lost
	}
	if c.Grant.Retake != nil {
		if h, ok := c.Grant.Retake(t, k.Fence); ok {
			return h, nil
		}
	}
	best, ok := c.covering(t)
	if !ok || best.OnUse() && (t.Mode() != token.None || t.Units() > 0) {
		return Hold{}, lost
	}
	return Hold{Token: t, Fence: c.Grant.fence(best), Done: func() {}, Until: c.Grant.ends(best)}, nil
}
