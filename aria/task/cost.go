package task

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Cost is what some runs used together.
type Cost struct {
	Name         string
	Runs         int64
	Turns        int64 // answers of models
	InputTokens  int64
	OutputTokens int64
	USD          float64
	CPUUS        int64 // of containers, microseconds
	Unpriced     bool  // the price of some of it is not known
	Uncertain    int64 // models that were asked, and whose answers were not recorded
	Estimated    int64 // of Turns: what was used is not known, and an estimate counts
}

// CostBy are the ways to add up.
var CostBy = []string{"", "agent", "model", "tenant", "unit", "bundle"}

// Cost adds up what the journal says was used: by a run and all that it called,
// or by the runs that were accepted since a moment. The dearest comes first.
func (t *Tasks) Cost(ctx context.Context, run ID, since time.Time, by string) ([]Cost, error) {
	if !slices.Contains(CostBy, by) {
		return nil, fault.New(fault.Invalid, "cost is not added up by %q", by).WithHint("by agent, model, tenant, unit or bundle")
	}
	b := bill{by: by, lines: map[string]*Cost{}, models: map[ID]string{}, runs: map[string]map[ID]bool{}, spent: map[ID]map[string]int64{}}
	from := ID("")
	if !since.IsZero() {
		from = makeID(uint64(since.UnixMilli()), [10]byte{})
	}
	ids := "SELECT id FROM runs WHERE id >= ?1"
	args := []any{from}
	if run != "" {
		if _, err := t.Get(ctx, run); err != nil {
			return nil, err
		}
		ids = `WITH RECURSIVE below(r) AS (SELECT ?1 UNION SELECT runs.id FROM runs JOIN below ON runs.parent = r) SELECT r FROM below`
		args = []any{run}
	}
	if err := b.events(ctx, t.db, ids, args); err != nil {
		return nil, err
	}
	if err := b.effects(ctx, t.db, ids, args); err != nil {
		return nil, err
	}
	if err := b.cut(ctx, t.db, ids, args); err != nil {
		return nil, err
	}
	return b.list(), nil
}

// oneTenant is the name of the only tenant that an ariad runs anything for: what
// Quilt calls the default one.
const oneTenant = "default"

// bill is a sum in the making.
type bill struct {
	by     string
	lines  map[string]*Cost
	models map[ID]string // what an agent's run asks
	runs   map[string]map[ID]bool
	spent  map[ID]map[string]int64 // how often the gateway told of a run's effect
}

// of is the line that a use belongs to.
func (b *bill) of(run ID, unit, kind, bundle, model string) *Cost {
	name := ""
	switch b.by {
	case "model":
		name = model
	case "unit":
		name = unit
	case "bundle":
		name = bundle
	case "tenant":
		name = oneTenant
	case "agent":
		if name = unit; kind != "agent" && kind != "team" {
			name = "(no agent)"
		}
	}
	c := b.lines[name]
	if c == nil {
		c = &Cost{Name: name}
		b.lines[name], b.runs[name] = c, map[ID]bool{}
	}
	if !b.runs[name][run] {
		b.runs[name][run] = true
		c.Runs++
	}
	return c
}

func (c *Cost) add(u tokens) {
	c.Turns++
	if u.Estimated {
		c.Estimated++
	}
	c.InputTokens += u.InputTokens
	c.OutputTokens += u.OutputTokens
	c.USD += u.USD
	if u.USD == 0 && u.InputTokens+u.OutputTokens > 0 {
		c.Unpriced = true
	}
}

type tokens struct {
	InputTokens  int64   `json:"inputTokens"`
	OutputTokens int64   `json:"outputTokens"`
	USD          float64 `json:"usd,omitempty"`
	Estimated    bool    `json:"estimated,omitempty"`
}

// KindSpent is the event of a model that was asked by a client in a unit's code.
const KindSpent = "model.spent"

// Spent is its data.
type Spent struct {
	Model  string `json:"model"`
	Usage  tokens `json:"usage"`
	Effect string `json:"effect,omitempty"` // that asked; "": none did
}

// EffectName names a call in a run.
func EffectName(scope string, id int64) string { return fmt.Sprintf("%s/%d", scope, id) }

// A fork has the past of another run and pays for what comes behind it: these say of
// an event, or an effect, whether it is of that past. What the other had called came
// along too.
const (
	pastEvent = `EXISTS (SELECT 1 FROM marks JOIN events AS at ON at.run = marks.run AND at.seq = json_extract(CAST(marks.value AS TEXT), '$.event')
		WHERE marks.run IN (events.run, runs.parent) AND marks.name = '` + originMark + `'
		AND (at.run = events.run AND events.seq <= at.seq OR at.run = runs.parent AND events.time <= at.time))`
	pastEffect = `EXISTS (SELECT 1 FROM marks WHERE marks.run = effects.run AND marks.name = '` + originMark + `'
		AND effects.after < json_extract(CAST(marks.value AS TEXT), '$.event'))`
)

// events reads what agents and clients in units were told by models, and what
// containers used.
func (b *bill) events(ctx context.Context, db *sql.DB, ids string, args []any) error {
	rows, err := db.QueryContext(ctx, `SELECT run, unit, runs.kind, bundle, events.kind, data, `+pastEvent+` FROM events JOIN runs ON runs.id = run
		WHERE run IN (`+ids+`) AND events.kind IN ('started', 'model.reply', '`+KindSpent+`', 'ended') ORDER BY run, seq`, args...)
	if err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var run ID
		var unit, kind, bundle, event string
		var data []byte
		var past bool
		if err := rows.Scan(&run, &unit, &kind, &bundle, &event, &data, &past); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
		var e struct {
			Model  string
			Effect string
			Usage  struct {
				tokens
				CPUUS int64 `json:"cpu_us"`
			}
		}
		if json.Unmarshal(data, &e) != nil {
			continue // an event of a later form
		}
		switch {
		case event == "started" && e.Model != "":
			b.models[run] = e.Model
		case past:
		case event == "model.reply":
			model := b.models[run]
			if e.Model != "" {
				model = e.Model
			}
			b.of(run, unit, kind, bundle, model).add(e.Usage.tokens)
		case event == KindSpent:
			b.of(run, unit, kind, bundle, e.Model).add(e.Usage.tokens)
			b.told(run, e.Effect)
		case event == "ended" && b.by != "model":
			b.of(run, unit, kind, bundle, "").CPUUS += e.Usage.CPUUS
		}
	}
	return rows.Err()
}

// told notes that what an effect used is known.
func (b *bill) told(run ID, effect string) {
	if b.spent[run] == nil {
		b.spent[run] = map[string]int64{}
	}
	b.spent[run][effect]++
}

var modelOf = regexp.MustCompile(`"model":"([^"]+)"`)

// effects reads what the code of units asked models for itself.
func (b *bill) effects(ctx context.Context, db *sql.DB, ids string, args []any) error {
	rows, err := db.QueryContext(ctx, `SELECT run, unit, kind, bundle, text, value FROM effects JOIN runs ON runs.id = run
		WHERE run IN (`+ids+`) AND op LIKE 'llm.%' AND intent = 0 AND value IS NOT NULL AND NOT `+pastEffect, args...)
	if err != nil {
		return fmt.Errorf("cost: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var run ID
		var unit, kind, bundle, text string
		var value []byte
		if err := rows.Scan(&run, &unit, &kind, &bundle, &text, &value); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
		var answer struct{ Usage tokens }
		if json.Unmarshal(value, &answer) != nil {
			continue
		}
		model := ""
		if m := modelOf.FindStringSubmatch(text); m != nil {
			model = m[1]
		}
		b.of(run, unit, kind, bundle, model).add(answer.Usage)
	}
	return rows.Err()
}

func (b *bill) list() []Cost {
	out := []Cost{}
	for _, c := range b.lines {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(x, y Cost) int {
		return cmp.Or(cmp.Compare(y.USD, x.USD), cmp.Compare(y.InputTokens+y.OutputTokens, x.InputTokens+x.OutputTokens),
			cmp.Compare(y.CPUUS, x.CPUUS), cmp.Compare(x.Name, y.Name))
	})
	return out
}
