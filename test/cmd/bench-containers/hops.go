package main

import (
	"encoding/json"
	"fmt"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// hops is one call, cut where somebody wrote down the time: the client its own
// clock, ariad in the events of the run, quiltd in what it says of the
// container. All of it is one machine's clock.
type hops struct {
	asked, answered, told      time.Time // by the client
	accepted, started, ended   time.Time // by ariad
	took, waited, result, wall time.Duration
	start                      string
}

// hopNames are the pieces between the cuts, in order; together they are the
// whole path. When ariad hears late of a container that is up, what it did before
// seems longer and "container ended" or "back at ariad" shorter, below zero even:
// the medians hold, the minima do not.
var hopNames = [8]string{
	"request at ariad, decoded, input checked",
	"journal: the run is on disk",
	"to quiltd, tokens granted, audit written",
	"claim: limits bound, harness answers",
	"code sent, loaded, run, result",
	"container ended, nothing left, tokens back",
	"back at ariad, output checked",
	"journal: the end is on disk; told to the client",
}

// read takes in one event.
func (h *hops) read(e *ariav1.Event) error {
	at := time.Unix(0, e.TimeUnixNano)
	switch e.Kind {
	case "accepted":
		h.accepted = at
	case "started":
		h.started = at
		var d struct {
			Start  string
			TookUS int64 `json:"took_us"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("started: %w", err)
		}
		h.start, h.took = d.Start, time.Duration(d.TookUS)*time.Microsecond
	case "ended":
		h.ended = at
		var d struct {
			Usage struct {
				WallUS   int64 `json:"wall_us"`
				ResultUS int64 `json:"result_us"`
			}
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("ended: %w", err)
		}
		h.wall, h.result = time.Duration(d.Usage.WallUS)*time.Microsecond, time.Duration(d.Usage.ResultUS)*time.Microsecond
	}
	return nil
}

// pieces are the times of hopNames in milliseconds.
func (h *hops) pieces() []float64 {
	granted := h.started.Add(-h.took)
	gone := granted.Add(h.wall)
	cuts := []time.Time{h.asked, h.accepted, h.answered, granted, granted.Add(h.took), granted.Add(h.result), gone, h.ended, h.told}
	var out []float64
	for i, c := range cuts[1:] {
		out = append(out, c.Sub(cuts[i]).Seconds()*1e3)
	}
	return out
}

func (h *hops) total() float64 { return h.told.Sub(h.asked).Seconds() * 1e3 }
