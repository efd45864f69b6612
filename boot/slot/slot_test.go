package slot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var (
	one   = Running{Slot: "a", Generation: 1, Version: "1"}
	two   = Running{Slot: "b", Generation: 2, Version: "2", Tries: true}
	trial = Trial{Version: "2", Image: "sha256:i", Slot: "b", Generation: 2}
)

func entered(t *testing.T) Record {
	t.Helper()
	r, err := Record{}.Enter(trial)
	if err != nil {
		t.Fatal(err)
	}
	return r.At(Entered)
}

func TestAQuietMachine(t *testing.T) {
	if r, on := (Record{}).Booted(one, 5); on || !cmp.Equal(r, Record{}) {
		t.Errorf("%+v, on trial %v", r, on)
	}
}

func TestAGoodUpdateIsKept(t *testing.T) {
	r, on := entered(t).Booted(two, 5)
	if !on || r.Trial.Stage != Init {
		t.Fatalf("%+v, on trial %v", r.Trial, on)
	}
	if _, err := r.Enter(trial); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a second update during a trial: %v", err)
	}
	r = r.At(Daemons).Keep(7)
	want := Record{Last: &Outcome{Version: "2", Image: "sha256:i", Slot: "b", Generation: 2, Kept: true, UnixMS: 7}}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
}

// The counter is gone from the entry, but power was cut before the record said so.
func TestKeptButNotNoted(t *testing.T) {
	healthy := two
	healthy.Tries = false
	r, on := entered(t).Booted(healthy, 9)
	if on || r.Trial != nil || !r.Last.Kept {
		t.Errorf("%+v, on trial %v", r, on)
	}
}

func TestWhyItCameBack(t *testing.T) {
	began, err := Record{}.Enter(trial)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		rec  Record
		want string
	}{
		{"power cut before the entry", began, "being entered"},
		{"panic before the data partition", entered(t), "kernel panicked or hung"},
		{"init gone", entered(t).At(Init), "init ended"},
		{"reset with the daemons up", entered(t).At(Daemons), "reset before it was found healthy"},
		{"its own words", entered(t).At(Daemons).Fail("quiltd is not ready").Fail("later"), "quiltd is not ready"},
	} {
		r, on := c.rec.Booted(one, 3)
		if on || r.Trial != nil || r.Last == nil || r.Last.Kept || !strings.Contains(r.Last.Reason, c.want) || r.Last.Version != "2" {
			t.Errorf("%s: %+v, on trial %v", c.name, r.Last, on)
		}
		if again, _ := r.Booted(one, 4); !cmp.Equal(again, r) {
			t.Errorf("%s: the next start changes it to %+v", c.name, again.Last)
		}
	}
}

// The loader tries a version of which a fresh data partition knows nothing: it
// must still have to prove itself.
func TestATrialThatWasForgotten(t *testing.T) {
	r, on := Record{}.Booted(two, 3)
	if !on || r.Trial == nil || r.Trial.Version != "2" {
		t.Errorf("%+v, on trial %v", r.Trial, on)
	}
}

func TestACutTransfer(t *testing.T) {
	r, on := Record{}.Receive(Upload{Version: "2", Image: "sha256:i", Slot: "b"}).Booted(one, 3)
	if on || r.Upload != nil || !r.Last.Cut || r.Last.Kept || !strings.Contains(r.Last.Reason, "transfer was cut") {
		t.Errorf("%+v", r.Last)
	}
	if r, err := (Record{}).Receive(Upload{Version: "2"}).Enter(trial); err != nil || r.Upload != nil {
		t.Errorf("a received update that is entered: %+v, %v", r.Upload, err)
	}
}

func TestNothingOnTrial(t *testing.T) {
	if r := (Record{}).At(Daemons).Fail("x").Keep(1); !cmp.Equal(r, Record{}) {
		t.Errorf("%+v", r)
	}
}
