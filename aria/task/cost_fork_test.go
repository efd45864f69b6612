package task

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// A fork pays for what comes behind the past that it has from another run, and so
// does what it calls.
func TestCostOfAFork(t *testing.T) {
	tasks := opened(t, Config{Tools: 1, Agents: 1}, ok, ok)
	fork := ended1(t, tasks, start(t, tasks, "agent").ID)
	child := ended1(t, tasks, start(t, tasks, "agent").ID)
	if err := tasks.journal.flush(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		fmt.Sprintf(`UPDATE runs SET parent = '%s' WHERE id = '%s'`, fork.ID, child.ID),
		fmt.Sprintf(`INSERT INTO marks VALUES ('%s', 'origin', CAST('{"run":"run_a","event":104,"created_unix_ms":1}' AS BLOB))`, fork.ID),
		fmt.Sprintf(`INSERT INTO effects VALUES ('%s', 'main.1', 1, 1, 'llm.chat', NULL, '{"model":"a:m"}', 0, CAST('{"usage":{"inputTokens":1}}' AS BLOB), NULL, 0, 103)`, fork.ID),
		fmt.Sprintf(`INSERT INTO effects VALUES ('%s', 'main.1', 2, 2, 'llm.chat', NULL, '{"model":"a:m"}', 0, CAST('{"usage":{"inputTokens":20}}' AS BLOB), NULL, 0, 104)`, fork.ID),
	} {
		if _, err := tasks.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []struct {
		run    ID
		seq    int
		kind   string
		tokens int
	}{
		{fork.ID, 102, "model.reply", 300}, {fork.ID, 104, KindSpent, 300}, {fork.ID, 105, "model.reply", 4000},
		{child.ID, 103, KindSpent, 300}, {child.ID, 106, KindSpent, 50000},
	} {
		data := fmt.Appendf(nil, `{"model":"a:m","usage":{"inputTokens":%d}}`, e.tokens)
		if _, err := tasks.db.Exec(`INSERT INTO events VALUES (?,?,?,?,?)`, e.run, e.seq, e.seq, e.kind, data); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := tasks.Cost(context.Background(), fork.ID, time.Time{}, "model")
	if err != nil || len(lines) != 1 || lines[0].Name != "a:m" || lines[0].InputTokens != 54020 || lines[0].Turns != 3 {
		t.Errorf("%+v %v", lines, err)
	}
}
