package memory_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/aria/memory"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func open(t *testing.T) *memory.Store {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "m.db")+"?_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	m, err := memory.New(db)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTurns(t *testing.T) {
	m := open(t)
	for i := range memory.MaxTurns + 5 {
		for range 2 { // a run that is taken up says it again
			if err := m.Append(t.Context(), "b#a", "s", fmt.Sprintf("run_%03d", i), memory.Turn{Said: fmt.Sprint(i), Answer: "ok"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := m.Turns(t.Context(), "b#a", "s")
	if err != nil || len(got) != memory.MaxTurns || got[0].Said != "5" || got[len(got)-1].Said != fmt.Sprint(memory.MaxTurns+4) {
		t.Errorf("%d turns, %v: %v", len(got), got, err)
	}
	long := memory.Turn{Said: strings.Repeat("x", memory.MaxBytes-100), Answer: "ok"}
	for i := range 2 {
		if err := m.Append(t.Context(), "b#a", "long", fmt.Sprint(i), long); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := m.Turns(t.Context(), "b#a", "long"); len(got) != 1 {
		t.Errorf("%d long turns", len(got))
	}
	for _, other := range [][2]string{{"b#other", "s"}, {"b#a", "t"}} {
		if got, err := m.Turns(t.Context(), other[0], other[1]); err != nil || len(got) != 0 {
			t.Errorf("%v sees %v, %v", other, got, err)
		}
	}
}

func TestFacts(t *testing.T) {
	m := open(t)
	for _, f := range []memory.Fact{{"home", "Porto"}, {"home", "Lisbon"}, {"food", "soup"}} {
		if err := m.Remember(t.Context(), "b#a", "ada", f); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.Facts(t.Context(), "b#a", "ada")
	if d := cmp.Diff([]memory.Fact{{"food", "soup"}, {"home", "Lisbon"}}, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if got, _ := m.Facts(t.Context(), "b#a", "bob"); len(got) != 0 {
		t.Errorf("another user sees %v", got)
	}
	for i := range memory.MaxFacts - 2 {
		if err := m.Remember(t.Context(), "b#a", "ada", memory.Fact{Key: fmt.Sprint(i), Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Remember(t.Context(), "b#a", "ada", memory.Fact{Key: "one more", Text: "x"}); fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("one too many: %v", err)
	}
	if err := m.Remember(t.Context(), "b#a", "ada", memory.Fact{Key: "home", Text: "Faro"}); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	if err := m.Remember(t.Context(), "b#a", "ada", memory.Fact{Text: "x"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("no key: %v", err)
	}
}
