package agency

import (
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/llm"
)

// An answer that takes its time is told in pieces; one that comes at once is told
// as a whole.
const (
	pieceAfter = 200 * time.Millisecond
	pieceBytes = 2 << 10
)

// PieceEvent is a part of an answer on its way. The pieces of a turn are its text
// from the beginning; model.retry and model.fallback take them back.
type PieceEvent struct {
	Text string `json:"text"`
}

// pieces makes events of what happens to a turn on its way.
func pieces(job task.Job) func(llm.Event) error {
	var text []byte
	last := time.Now()
	return func(e llm.Event) error {
		switch e.Kind {
		case llm.EventText:
			if len(text) == 0 {
				last = time.Now()
			}
			text = append(text, e.Text...)
			if len(text) < pieceBytes && time.Since(last) < pieceAfter {
				return nil
			}
			piece := PieceEvent{string(text)}
			text = nil
			return job.Emit("model.text", piece)
		case llm.EventRetry, llm.EventFallback:
			text = nil
			return job.Emit("model."+e.Kind, map[string]any{"text": e.Text})
		}
		return nil
	}
}
