package sandbox

import (
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A claim changes limits and nothing else, and only once.
func TestClaim(t *testing.T) {
	c := sharedClient(t)
	wait := []string{"/bin/attacker", "attacker-wait"}
	plan := func(s Spec) Plan {
		s.ID = "claimer"
		p, err := NewPlan(s, c.Hello())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, x := range []struct {
		name string
		spec Spec
		code fault.Code
	}{
		{"less", Spec{Argv: wait, MemoryBytes: 96 << 20, Pids: 16, CPUMillis: 100}, ""},
		{"more", Spec{Argv: wait, MemoryBytes: 1 << 30, Pids: 200, CPUMillis: 2000}, ""},
		{"the same", Spec{Argv: wait}, ""},
		{"another program", Spec{Argv: []string{"/bin/bun"}}, fault.Invalid},
		{"another /tmp", Spec{Argv: wait, TmpBytes: 1 << 20}, fault.Invalid},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := begin(t, c, Spec{Argv: wait}, "")
			defer func() { k.Kill(); end(t, k) }()
			p := plan(x.spec)
			err := k.Claim(t.Context(), p)
			if x.code != "" {
				if fault.CodeOf(err) != x.code {
					t.Errorf("%v, want %s", err, x.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r := shared.launcher.find(k.n)
			if _, wrong := judge(outsideView(r.pid, r.slot), outsideProbes(p, r.slot)); len(wrong) > 0 {
				t.Error(wrong)
			}
			if err := k.Claim(t.Context(), p); fault.CodeOf(err) != fault.Denied {
				t.Errorf("a second claim: %v", err)
			}
		})
	}
}
