package bundle

import (
	"strings"
	"time"
	_ "time/tzdata" // the boot image and small containers have no table of zones

	"github.com/robfig/cron/v3"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Schedule says when a unit is due. The zero Schedule never is.
type Schedule struct {
	every time.Duration
	spec  *cron.SpecSchedule
	in    *time.Location
}

// Schedule of a trigger; nil error and a zero Schedule if it has none.
func (t Trigger) Schedule() (Schedule, *fault.Error) {
	at, err := zone(t.Zone)
	switch {
	case err != nil:
		return Schedule{}, err
	case t.EveryMS != 0 && t.Cron != "":
		return Schedule{}, odd("a schedule says both every and cron").WithHint("keep one of them")
	case t.Zone != "" && t.EveryMS == 0 && t.Cron == "":
		return Schedule{}, odd("a time zone stands beside no schedule")
	case t.EveryMS != 0:
		if t.EveryMS < MinEvery.Milliseconds() || t.EveryMS > (366*24*time.Hour).Milliseconds() {
			return Schedule{}, odd("a schedule of every %d ms cannot be", t.EveryMS).WithHint(`from "1s" to "366d"`)
		}
		return Schedule{every: time.Duration(t.EveryMS) * time.Millisecond, in: at}, nil
	case t.Cron != "":
		return cronSchedule(t.Cron, at)
	}
	return Schedule{}, nil
}

func cronSchedule(text string, in *time.Location) (Schedule, *fault.Error) {
	const hint = `five fields, minute hour day month weekday: "0 7 * * 1-5" is 7:00 from Monday to Friday`
	if len(strings.Fields(text)) != 5 || strings.Contains(text, "=") || len(text) > 200 {
		return Schedule{}, odd("%q is not a cron schedule", text).WithHint("%s", hint)
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return Schedule{}, odd("%q is not a cron schedule: %v", text, err).WithHint("%s", hint)
	}
	spec, ok := s.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, odd("%q is not a cron schedule", text).WithHint("%s", hint)
	}
	out := Schedule{spec: spec, in: in}
	if out.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, odd("%q is a moment that never comes", text).WithHint("%s", hint)
	}
	return out, nil
}

func zone(name string) (*time.Location, *fault.Error) {
	if name == "" {
		return time.UTC, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, odd("%q is no time zone", name).WithHint(`write its name in the IANA table: "Europe/Berlin"`)
	}
	return l, nil
}

// Zero: it is never due.
func (s Schedule) Zero() bool { return s.every == 0 && s.spec == nil }

// everyHour is set in a field of cron that was written as "*".
const everyHour = 1 << 63

// Next is the first moment after t; zero if there is none in five years. Of
// "every" the moments are whole multiples since 1970, so that they are the same
// on every machine and after every restart.
//
// Where clocks are put forward, what was due in the hour that is left out comes
// an hour later; where they are put back, what is due at a named hour comes once,
// and what is due every hour goes on every hour.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.every > 0:
		n := t.UnixMilli() / s.every.Milliseconds()
		return time.UnixMilli((n + 1) * s.every.Milliseconds()).UTC()
	case s.spec == nil:
		return time.Time{}
	case s.spec.Hour&everyHour != 0:
		spec := *s.spec
		spec.Location = s.in
		return utc(spec.Next(t))
	}
	// Count on a clock that is never changed, then ask when the zone's shows that.
	spec := *s.spec
	spec.Location = time.UTC
	w := t.In(s.in)
	wall := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, time.UTC).Add(-2 * time.Hour)
	for {
		if wall = spec.Next(wall); wall.IsZero() {
			return wall
		}
		if at := s.shows(wall); at.After(t) {
			return utc(at)
		}
	}
}

// shows is the first moment at which the zone's clock shows wall, or, if it never
// does, the moment that lies as far behind the gap's start as wall does.
func (s Schedule) shows(wall time.Time) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, s.in)
	_, before := at.Add(-3 * time.Hour).Zone()
	first := wall.Add(-time.Duration(before) * time.Second)
	if h := first.In(s.in); h.Hour() == wall.Hour() && h.Minute() == wall.Minute() {
		return first
	}
	if at.Hour() == wall.Hour() && at.Minute() == wall.Minute() {
		return at
	}
	return first
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
