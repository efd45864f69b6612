package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A slow reader gets everything in order and never holds up the writer.
func TestOutboxDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		o := newOutbox(func(e Event) error {
			time.Sleep(time.Second)
			got = append(got, e.Queued.Position)
			return nil
		}, func() { t.Error("the reader is well") })
		began := time.Now()
		for i := range 100 {
			o.put(Event{Queued: &Queued{Position: i}})
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the writer waited %s", took)
		}
		o.close()
		for i, n := range got {
			if i != n {
				t.Fatalf("order %v", got)
			}
		}
		if len(got) != 100 {
			t.Errorf("%d events came", len(got))
		}
	})
}

func TestOutboxTellsOfAReaderWhoLeft(t *testing.T) {
	calls, failed := 0, 0
	o := newOutbox(func(Event) error { calls++; return errors.New("gone") }, func() { failed++ })
	for range 10 {
		o.put(Event{})
	}
	o.close()
	if calls != 1 || failed != 1 {
		t.Errorf("emit called %d times, fail %d", calls, failed)
	}
}
