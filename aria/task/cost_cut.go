package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// AskedMark begins the name of the mark that a model is asked for what is recorded
// under the rest of the name; its value is an Asked.
const AskedMark = "asked/"

// Asked is how often a model was asked for one answer.
type Asked struct {
	Times int64  `json:"times"`
	Model string `json:"model,omitempty"`
}

// modelGateway is how the requests of unmodified clients to models begin: the
// address of a container's gate (docs/spec/net.md).
const modelGateway = `{"url":"http://127.0.0.1:4180/%`

// cut adds the calls of models that a crash took the answers of: announced more
// often than answered. What a run that goes on waits for is none of them yet.
func (b *bill) cut(ctx context.Context, db *sql.DB, ids string, args []any) error {
	asked, err := db.QueryContext(ctx, `SELECT run, unit, kind, bundle, name, value, state,
			EXISTS (SELECT 1 FROM marks AS answer WHERE answer.run = marks.run AND answer.name = substr(marks.name, `+fmt.Sprint(len(AskedMark)+1)+`))
		FROM marks JOIN runs ON runs.id = run WHERE run IN (`+ids+`) AND name LIKE '`+AskedMark+`%'`, args...)
	if err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	defer asked.Close()
	for asked.Next() {
		var run ID
		var unit, kind, bundle, name string
		var value []byte
		var state State
		var answered int64
		if err := asked.Scan(&run, &unit, &kind, &bundle, &name, &value, &state, &answered); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
		var a Asked
		if err := json.Unmarshal(value, &a); err != nil {
			return fmt.Errorf("cost: %s of %s: %w", name, run, err)
		}
		b.uncertain(run, unit, kind, bundle, a.Model, a.Times-answered, !state.Ended() && answered == 0)
	}
	if err := asked.Err(); err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	return b.cutEffects(ctx, db, ids, args)
}

// cutEffects adds those that the code of units made itself. What the gateway told of
// one is known, also where a crash took the answer; of a stream only the gateway
// tells, when it ends.
func (b *bill) cutEffects(ctx context.Context, db *sql.DB, ids string, args []any) error {
	rows, err := db.QueryContext(ctx, `SELECT run, unit, kind, bundle, state, scope, effects.id, MAX(text), SUM(intent), SUM(1 - intent),
			MAX(CASE WHEN intent = 0 AND op = 'net.fetch' AND value IS NOT NULL
				THEN json_extract(CAST(value AS TEXT), '$.stream') IS NOT NULL AND json_extract(CAST(value AS TEXT), '$.status') = 200 ELSE 0 END) FROM effects JOIN runs ON runs.id = run
		WHERE run IN (`+ids+`) AND (op LIKE 'llm.%' OR op = 'net.fetch' AND text LIKE '`+modelGateway+`') GROUP BY run, scope, effects.id`, args...)
	if err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var run ID
		var unit, kind, bundle, scope, text string
		var state State
		var id, announced, answered int64
		var streamed bool
		if err := rows.Scan(&run, &unit, &kind, &bundle, &state, &scope, &id, &text, &announced, &answered, &streamed); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
		model := ""
		if m := modelOf.FindStringSubmatch(text); m != nil && !strings.HasPrefix(text, `{"url"`) {
			model = m[1]
		}
		under := !state.Ended() && (answered == 0 || streamed)
		if streamed {
			answered = 0
		}
		if spent := b.spent[run][EffectName(scope, id)]; spent > 0 {
			answered, under = max(answered, spent), under && spent < announced
		}
		b.uncertain(run, unit, kind, bundle, model, announced-answered, under)
	}
	return rows.Err()
}

// uncertain adds n calls of a model, without the one that is under way.
func (b *bill) uncertain(run ID, unit, kind, bundle, model string, n int64, under bool) {
	if under {
		n--
	}
	if n > 0 {
		b.of(run, unit, kind, bundle, model).Uncertain += n
	}
}
