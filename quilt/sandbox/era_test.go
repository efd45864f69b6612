package sandbox

import "testing"

// An engine crashes while a start that it asked for is on its way: the start is
// not made, and the next engine begins above its number.
func TestStartsOfACrashedEngine(t *testing.T) {
	l := &launcher{live: map[uint64]*running{}}
	early := l.reserve(29)
	l.orphan()
	if got := l.highest(); got != 29 {
		t.Errorf("the next engine begins above %d, want 29", got)
	}
	late := l.reserve(30)
	if err := l.enlist(29, early); err != errGone {
		t.Errorf("a start of the crashed engine: %v", err)
	}
	if err := l.enlist(30, late); err != nil {
		t.Errorf("a start of the next engine: %v", err)
	}
	l.live[30] = nil
	if err := l.enlist(30, late); err == nil {
		t.Error("a number was given twice")
	}
}
