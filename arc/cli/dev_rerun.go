package cli

import (
	"context"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
)

// recent is how far back the last call is looked for.
const recent = 50

// again runs what --run names, or with --rerun the last call that anybody made
// to a build of this loop, on the build that was just uploaded.
func (l *devLoop) again(ctx context.Context, m *bundle.Manifest) error {
	unit, input := l.unit, l.input
	if unit == "" && l.rerun {
		last, err := l.lastCall(ctx)
		if err != nil || last == nil {
			return err
		}
		unit, input = unitName(last.Unit), last.Input
		if _, ok := m.Unit(unit); !ok {
			l.note("the last call was to %s, which is gone", unit)
			return nil
		}
	}
	if unit == "" {
		return nil
	}
	return l.start(ctx, remote.Task{Unit: m.Name + "@" + m.Version + "#" + unit, Input: input}, startFlags{})
}

// lastCall is the newest run, called by no other run, of a build of this loop.
func (l *devLoop) lastCall(ctx context.Context) (*remote.Run, error) {
	runs, err := l.client.Runs(ctx, recent, "", "")
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Parent == "" && l.mine[r.Bundle] {
			full, err := l.client.Run(ctx, r.ID) // lists leave inputs out
			return &full, err
		}
	}
	return nil, nil
}

// unitName is a unit's own name, however a run was asked for.
func unitName(ref string) string { return ref[strings.LastIndexByte(ref, '#')+1:] }
