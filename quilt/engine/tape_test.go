package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A slow reader gets everything in order and never holds up the writer; a second
// one gets what comes after its number.
func TestTapeDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := newTape(nil)
		read := func(after uint64, pause time.Duration) <-chan []int {
			out := make(chan []int, 1)
			go func() {
				var got []int
				if err := tape.follow(t.Context(), after, func(e Event) error {
					time.Sleep(pause)
					got = append(got, e.Queued.Position)
					return nil
				}); err != nil {
					t.Error(err)
				}
				out <- got
			}()
			return out
		}
		slow, late := read(0, time.Second), read(90, 0)
		began := time.Now()
		for i := range 100 {
			tape.put(Event{Queued: &Queued{Position: i}})
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the writer waited %s", took)
		}
		tape.close(finished)
		for from, got := range map[int][]int{0: <-slow, 90: <-late} {
			if len(got) != 100-from {
				t.Errorf("%d events came after %d", len(got), from)
			}
			for i, n := range got {
				if from+i != n {
					t.Fatalf("order %v", got)
				}
			}
		}
	})
}

func TestTapeEndsWithItsReaderOrAMove(t *testing.T) {
	tape := newTape(nil)
	tape.put(Event{})
	gone, calls := errors.New("gone"), 0
	if err := tape.follow(t.Context(), 0, func(Event) error { calls++; return gone }); err != gone || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	tape.close(moved)
	if err := tape.follow(t.Context(), 0, func(Event) error { return nil }); err != errMoved {
		t.Errorf("a tape that moved: %v", err)
	}
}
