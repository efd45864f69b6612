package bundle

import (
	"strings"
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	for _, c := range []struct {
		shows string
		t     Trigger
		from  string
		want  string // moments, one after the other, in UTC
	}{
		{"every is a multiple since 1970", Trigger{EveryMS: 300_000}, "2026-11-22T10:02:31Z", "10:05 10:10 10:15"},
		{"at the moment itself comes the next", Trigger{EveryMS: 300_000}, "2026-11-22T10:05:00Z", "10:10"},
		{"cron in UTC", Trigger{Cron: "30 7 * * *"}, "2026-11-22T07:30:00Z", "23T07:30 24T07:30"},
		{"cron in a zone", Trigger{Cron: "0 7 * * *", Zone: "Europe/Berlin"}, "2026-11-22T05:00:00Z", "06:00 23T06:00"},
		{"weekdays", Trigger{Cron: "0 9 * * 1-5"}, "2026-11-20T09:00:00Z", "23T09:00 24T09:00"},
		{"put forward: what is left out comes an hour later", Trigger{Cron: "30 2 * * *", Zone: "Europe/Berlin"}, "2026-03-28T12:00:00Z", "29T01:30 30T00:30"},
		{"put back: a named hour comes once", Trigger{Cron: "30 2 * * *", Zone: "Europe/Berlin"}, "2026-10-24T12:00:00Z", "25T00:30 26T01:30"},
		{"put back: every hour goes on every hour", Trigger{Cron: "15 * * * *", Zone: "Europe/Berlin"}, "2026-10-24T23:30:00Z", "25T00:15 25T01:15 25T02:15"},
		{"New York, put forward", Trigger{Cron: "30 2 * * *", Zone: "America/New_York"}, "2026-03-07T12:00:00Z", "08T07:30 09T06:30"},
	} {
		s, err := c.t.Schedule()
		if err != nil {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		at, perr := time.Parse(time.RFC3339, c.from)
		if perr != nil {
			t.Fatal(perr)
		}
		for _, w := range strings.Fields(c.want) {
			at = s.Next(at)
			if !strings.HasSuffix(at.Format("2006-01-02T15:04"), w) {
				t.Errorf("%s: got %s, want …%s", c.shows, at, w)
			}
		}
	}
}

func TestTriggerCheck(t *testing.T) {
	for _, c := range []struct {
		t    Trigger
		want string // in the message; "" is fine
	}{
		{Trigger{On: []string{"order.paid"}}, ""},
		{Trigger{HTTP: "POST /hooks/x", Secret: "HOOK_KEY"}, ""},
		{Trigger{EveryMS: 1000, With: []byte(`{"a":1}`)}, ""},
		{Trigger{}, "neither"},
		{Trigger{On: []string{"order paid"}}, "name of an event"},
		{Trigger{On: []string{"a", "a"}}, "stands twice"},
		{Trigger{Cron: "* * *"}, "not a cron schedule"},
		{Trigger{Cron: "@daily"}, "not a cron schedule"},
		{Trigger{Cron: "61 * * * *"}, "not a cron schedule"},
		{Trigger{Cron: "CRON_TZ=UTC * * * *"}, "not a cron schedule"},
		{Trigger{Cron: "0 0 30 2 *"}, "never comes"},
		{Trigger{Cron: "0 0 * * *", EveryMS: 1000}, "both"},
		{Trigger{Cron: "0 0 * * *", Zone: "Mars/Base"}, "no time zone"},
		{Trigger{Zone: "UTC", HTTP: "POST /hooks/x"}, "beside no schedule"},
		{Trigger{EveryMS: 10}, "cannot be"},
		{Trigger{HTTP: "POST /x"}, "not canonical"},
		{Trigger{HTTP: "PATCH /hooks/x"}, "no way to be called"},
		{Trigger{HTTP: "POST /hooks/../x"}, "no way to be called"},
		{Trigger{On: []string{"x"}, Secret: "K"}, "signs no calls"},
		{Trigger{On: []string{"x"}, With: []byte(`{}`)}, "beside no schedule"},
	} {
		err := c.t.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Message, c.want)) {
			t.Errorf("%+v: %v, want %q", c.t, err, c.want)
		}
	}
}

func TestTickInput(t *testing.T) {
	tick := Tick{Time: time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC), Missed: 2}
	schema := []byte(`{"type":"object","properties":{"day":{},"missed":{},"region":{}}}`)
	in, err := Trigger{Cron: "30 0 * * *", Zone: "Europe/Berlin", With: []byte(`{"region":"eu","n":12345678901234567890}`)}.Input(schema, tick)
	if want := `{"day":"2026-11-23","missed":2,"n":12345678901234567890,"region":"eu"}`; err != nil || string(in) != want {
		t.Errorf("%s, %v; want %s", in, err, want)
	}
}

func TestConcurrencyOf(t *testing.T) {
	for _, c := range []struct{ key, input, want string }{
		{"", `{"a":1}`, ""},
		{"input.a", `{"a":1.0}`, "1"},
		{"input.a.b", `{"a":{"b":"x"}}`, `"x"`},
		{"input.a", `{}`, "null"},
		{"input.a", `7`, "null"},
		{"input.a", `{"a": {"y":1, "x":2}}`, `{"x":2,"y":1}`},
	} {
		if got := (Concurrency{Key: c.key}).Of([]byte(c.input)); got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.key, c.input, got, c.want)
		}
	}
}
