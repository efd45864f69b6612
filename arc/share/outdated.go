package share

import (
	"context"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Outdated is what there is beside one entry of a lock.
type Outdated struct {
	Locked
	Wanted string `json:"wanted"`           // newest in the range
	Latest string `json:"latest"`           // newest of all
	Yanked string `json:"yanked,omitempty"` // why the locked version was taken back
	// Claimed is why somebody says so whom nobody trusts.
	Claimed string `json:"claimed,omitempty"`
}

// Behind tells whether there is anything to say about it.
func (o Outdated) Behind() bool {
	return o.Wanted != o.Version || o.Latest != o.Version || o.Yanked != "" || o.Claimed != ""
}

// Outdated looks at the places that a lock names for newer versions. It changes
// nothing.
func (c *Client) Outdated(ctx context.Context, l *Lock) ([]Outdated, error) {
	out := []Outdated{}
	all, err := bundle.ParseRange("")
	if err != nil {
		return nil, err
	}
	for _, e := range l.Bundles {
		o := Outdated{Locked: e, Wanted: e.Version, Latest: e.Version}
		want, err := bundle.ParseRange(e.Range)
		if err != nil {
			return nil, err
		}
		looking := &Installer{Client: c}
		for _, side := range []struct {
			in   bundle.Range
			into *string
		}{{want, &o.Wanted}, {all, &o.Latest}} {
			v, err := looking.choose(ctx, e.From, e.Name, side.in)
			switch {
			case err == nil:
				*side.into = v
			case fault.CodeOf(err) != fault.NotFound && fault.CodeOf(err) != fault.Denied:
				return nil, err
			}
		}
		y, err := c.Yanked(ctx, e.From, e.Name, e.Version)
		if err != nil {
			return nil, err
		}
		o.Yanked, o.Claimed = y.words()
		out = append(out, o)
	}
	return out, nil
}
