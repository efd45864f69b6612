package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds of a scratchpad (docs/spec/limits.md).
const (
	padNotes = 200
	padText  = 16 << 10 // of one note, in characters
)

// pad is the scratchpad that the members of a team share. Each note is a mark of
// the team's run, on disk before the member that wrote it hears so.
type pad struct {
	job task.Job

	mu    sync.Mutex
	notes map[string]note
	next  int
}

type note struct {
	Key  string `json:"key"`
	Text string `json:"text"`
	By   string `json:"by"`
	Seq  int    `json:"seq"`
}

const padPrefix = "pad/"

func openPad(ctx context.Context, job task.Job) (*pad, error) {
	p := &pad{job: job, notes: map[string]note{}}
	if !job.Resumed {
		return p, nil
	}
	marks, err := job.Remembered(ctx, padPrefix)
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		var n note
		if err := json.Unmarshal(m.Value, &n); err != nil {
			return nil, fmt.Errorf("scratchpad of %s: %w", job.Run, err)
		}
		p.notes[n.Key], p.next = n, max(p.next, n.Seq)
	}
	return p, nil
}

var (
	padWriteSchema = json.RawMessage(`{"type":"object","properties":{"key":{"type":"string","minLength":1,"maxLength":200,"description":"name of the note"},"text":{"type":"string","maxLength":` + strconv.Itoa(padText) + `,"description":"what it says; replaces what it said"}},"required":["key","text"],"additionalProperties":false}`)
	padReadSchema  = json.RawMessage(`{"type":"object","properties":{"key":{"type":"string","description":"name of the note; without it: all notes"}},"additionalProperties":false}`)
)

// tools are the pad in the hands of one member.
func (p *pad) tools(member string) []own {
	return []own{
		{agent.Tool{Unit: "scratchpad_write", Description: "Write a note that every member of the team can read.", Schema: padWriteSchema},
			func(_ context.Context, input json.RawMessage, _ string) (json.RawMessage, error) {
				return p.write(member, input)
			}},
		{agent.Tool{Unit: "scratchpad_read", Description: "Read the notes that members of the team wrote.", Schema: padReadSchema},
			func(_ context.Context, input json.RawMessage, _ string) (json.RawMessage, error) {
				return p.read(input)
			}},
	}
}

func (p *pad) write(member string, input json.RawMessage) (json.RawMessage, error) {
	var n note
	if err := json.Unmarshal(input, &n); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "a note has a key and a text")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, old := p.notes[n.Key]; !old && len(p.notes) >= padNotes {
		return nil, fault.New(fault.Exhausted, "the scratchpad has %d notes, and no more fit", padNotes).WithHint("write to a note that is there")
	}
	n.By, n.Seq = member, p.next+1
	if err := p.job.Remember(padPrefix+n.Key, n); err != nil {
		return nil, err
	}
	p.next++
	p.notes[n.Key] = n
	return json.Marshal(map[string]any{"written": n.Key})
}

func (p *pad) read(input json.RawMessage) (json.RawMessage, error) {
	var a struct{ Key string }
	_ = json.Unmarshal(input, &a) // the loop has checked it
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.Key != "" {
		n, ok := p.notes[a.Key]
		if !ok {
			return json.RawMessage("null"), nil
		}
		return json.Marshal(n)
	}
	list := slices.SortedFunc(maps.Values(p.notes), func(a, b note) int { return a.Seq - b.Seq })
	if list == nil {
		list = []note{}
	}
	return json.Marshal(list)
}
