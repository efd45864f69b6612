package replay

import (
	"encoding/json"
	"testing"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// What tells only how long something took is left out; what user code wrote is not.
func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"attempt":1,"start":"pooled","took_us":5,"lease":"l1"}`, `{"attempt":1,"start":"cold","took_us":70,"lease":"l2"}`, true},
		{`{"step":1,"usage":{"inputTokens":3,"usd":0.5}}`, `{"step":1,"usage":{"usd":0,"inputTokens":3}}`, true},
		{`{"step":1,"usage":{"inputTokens":3}}`, `{"step":1,"usage":{"inputTokens":4}}`, false},
		{`{"output":{"fence":1}}`, `{"output":{"fence":2}}`, false},
		{`{"n":1.0}`, `{"n":1}`, false},
	} {
		if got := canonical(json.RawMessage(c.a)) == canonical(json.RawMessage(c.b)); got != c.same {
			t.Errorf("%s and %s: same is %v", c.a, c.b, got)
		}
	}
	slow, quick := fault.New(fault.Exhausted, "spent 2 turns, 1m2.5s"), fault.New(fault.Exhausted, "spent 2 turns, 31ms")
	if ending(nil, slow) != ending(nil, quick) || ending(nil, slow) == ending(nil, fault.New(fault.Exhausted, "spent 3 turns, 31ms")) {
		t.Error("durations in the message of an error")
	}
}

// What goes on side by side has an order of its own, and what a run says twice
// because it was taken up needs to come once.
func TestExpect(t *testing.T) {
	run := &task.RecordedRun{Events: []task.RecordedEvent{
		{Seq: 1, Kind: "accepted", Data: json.RawMessage(`{}`)},
		{Seq: 2, Kind: "started", Data: json.RawMessage(`{"attempt":1,"took_us":1}`)},
		{Seq: 3, Kind: "tool.call", Data: json.RawMessage(`{"call":"1.1"}`)},
		{Seq: 4, Kind: "tool.call", Data: json.RawMessage(`{"call":"1.2"}`)},
		{Seq: 5, Kind: "resumed", Data: json.RawMessage(`{}`)},
		{Seq: 6, Kind: "started", Data: json.RawMessage(`{"attempt":1,"took_us":2}`)},
		{Seq: 7, Kind: "log", Data: json.RawMessage(`{"level":"stdout","text":"x"}`)},
		{Seq: 8, Kind: "ended", Data: json.RawMessage(`{}`)},
	}}
	want, resumed := expect(run, func(int64) bool { return true })
	var lanes []string
	for _, x := range want {
		lanes = append(lanes, x.lane)
	}
	if got, _ := json.Marshal(lanes); string(got) != `["main","call 1.1","call 1.2","stdout"]` || !resumed {
		t.Errorf("%s %v", got, resumed)
	}
	if cut, _ := expect(run, func(int64) bool { return false }); len(cut) != 0 {
		t.Errorf("behind the last moment: %d", len(cut))
	}
}
