package task

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// A model that was asked more often than it answered is uncertain, except while it
// is asked.
func TestUncertainCalls(t *testing.T) {
	const gate = `{"url":"http://127.0.0.1:4180/openai/v1/chat/completions"}`
	effect := func(id int64, op, text string, intent bool) Effect {
		return Effect{ID: id, Op: op, Text: text, Intent: intent, Value: json.RawMessage(`{"usage":{"inputTokens":1}}`), Clock: time.Now()}
	}
	chat := func(intent bool) Effect { return effect(1, "llm.chat", `{"model":"a:m"}`, intent) }
	answer := func(value string) Effect {
		e := effect(1, "net.fetch", gate, false)
		e.Value = json.RawMessage(value)
		return e
	}
	asks := effect(1, "net.fetch", gate, true)
	whole, stream, refused := answer(`{"status":200,"body":"e30="}`), answer(`{"status":200,"stream":1,"again":true}`), answer(`{"status":429,"stream":1}`)
	for _, x := range []struct {
		shows   string
		effects []Effect
		asked   int64 // by an agent
		turn    bool
		open    bool
		spent   int64 // that the gateway told of
		want    int64
	}{
		{"asked and answered", []Effect{chat(true), chat(false)}, 1, true, false, 0, 0},
		{"cut, and asked again", []Effect{chat(true), chat(true), chat(false)}, 2, true, false, 0, 2},
		{"cut for good", []Effect{chat(true)}, 1, false, false, 0, 2},
		{"under way", []Effect{chat(true)}, 1, false, true, 0, 0},
		{"under way for the second time", []Effect{chat(true), chat(true)}, 2, false, true, 0, 2},
		{"by an unmodified client", []Effect{asks}, 0, false, false, 0, 1},
		{"by one, and the gateway told of it", []Effect{asks}, 0, false, false, 1, 0},
		{"by one, told of, and asked again", []Effect{asks, asks, whole}, 0, false, false, 2, 0},
		{"by one, cut, and asked again", []Effect{asks, asks, whole}, 0, false, false, 1, 1},
		{"by one, told of, and under way again", []Effect{asks, asks}, 0, false, true, 1, 0},
		{"by one, cut, and under way again", []Effect{asks, asks}, 0, false, true, 0, 1},
		{"by one, refused", []Effect{asks, refused}, 0, false, false, 0, 0},
		{"a stream that ended", []Effect{asks, stream}, 0, false, false, 1, 0},
		{"a stream that a crash cut", []Effect{asks, stream}, 0, false, false, 0, 1},
		{"a stream under way", []Effect{asks, stream}, 0, false, true, 0, 0},
		{"a request that is no model's", []Effect{effect(1, "net.fetch", `{"url":"http://a.example/"}`, true)}, 0, false, false, 0, 0},
	} {
		tasks := opened(t, Config{Tools: 1, Agents: 1}, ok, ok)
		run := ended1(t, tasks, start(t, tasks, "agent").ID)
		if err := tasks.journal.flush(); err != nil {
			t.Fatal(err)
		}
		for i, e := range x.effects {
			e.Seq = uint64(i + 1)
			if _, err := tasks.db.Exec(`INSERT INTO effects VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`, run.ID, "main.1", e.Seq, e.ID, e.Op, e.Args, e.Text, e.Intent, []byte(e.Value), nil, 0, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range x.spent {
			data := fmt.Appendf(nil, `{"model":"a:m","usage":{"inputTokens":7,"outputTokens":3,"usd":0.5},"effect":%q}`, EffectName("main.1", 1))
			if _, err := tasks.db.Exec(`INSERT INTO events VALUES (?,?,?,?,?)`, run.ID, 100+i, 0, KindSpent, data); err != nil {
				t.Fatal(err)
			}
		}
		marks := map[string]any{}
		if x.asked > 0 {
			marks[AskedMark+"turn/1"] = Asked{x.asked, "a:m"}
		}
		if x.turn {
			marks["turn/1"] = 1
		}
		for name, v := range marks {
			raw, _ := json.Marshal(v)
			if _, err := tasks.db.Exec(`INSERT INTO marks VALUES (?,?,?)`, run.ID, name, raw); err != nil {
				t.Fatal(err)
			}
		}
		if x.open {
			if _, err := tasks.db.Exec(`UPDATE runs SET state = ? WHERE id = ?`, Running, run.ID); err != nil {
				t.Fatal(err)
			}
		}
		lines, err := tasks.Cost(context.Background(), "", time.Time{}, "tenant")
		if err != nil || len(lines) != 1 || lines[0].Name != "default" || lines[0].Uncertain != x.want || lines[0].USD != 0.5*float64(x.spent) {
			t.Errorf("%s: %+v %v, want %d", x.shows, lines, err, x.want)
		}
	}
}
