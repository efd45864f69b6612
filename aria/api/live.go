package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// liveEvent is an event as WebSocket and server-sent events carry it.
type liveEvent struct {
	Run  task.ID         `json:"run"`
	Seq  uint64          `json:"seq"`
	Time int64           `json:"time_unix_nano"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

func live(e task.Event) ([]byte, error) {
	return json.Marshal(liveEvent{e.Run, e.Seq, e.Time.UnixNano(), e.Kind, e.Data})
}

// sendTime is how long one message may take; pulse keeps idle lines open and
// finds dead ones.
const (
	sendTime = 10 * time.Second
	pulse    = 15 * time.Second
)

// events serves GET /v1/runs/{id}/events?after=N: a WebSocket, or server-sent
// events where the client asks for them.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	id := task.ID(r.PathValue("id"))
	after, err := position(r)
	if err == nil {
		_, err = s.Tasks.Get(r.Context(), id)
	}
	if err != nil {
		s.refuse(w, r, named(err, string(id)))
		return
	}
	ctx, done := s.watching(r.Context())
	defer done()
	switch {
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		s.sse(ctx, w, r, id, after)
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		s.socket(ctx, w, r, id, after)
	default:
		s.refuse(w, r, fault.New(fault.Invalid, "events are served as WebSocket or as text/event-stream").
			WithHint(`open a WebSocket, or send "Accept: text/event-stream"`))
	}
}

// position is where to go on: ?after=N, or what a browser sends by itself.
func position(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if v := r.URL.Query().Get("after"); v != "" && text == "" {
		text = v
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%.40q is not a sequence number", text).WithHint("give the seq of the last event you have")
	}
	return n, nil
}

func (s *server) socket(ctx context.Context, w http.ResponseWriter, r *http.Request, id task.ID, after uint64) {
	opts := &websocket.AcceptOptions{}
	if p := offered(r); p != "" {
		opts.Subprotocols = []string{p}
	}
	c, err := websocket.Accept(w, r, opts) // it checks the origin and has answered on error
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(4 << 10)
	ctx = c.CloseRead(ctx)
	go func() {
		for every := time.NewTicker(pulse); ; {
			select {
			case <-ctx.Done():
				every.Stop()
				return
			case <-every.C:
				ping, cancel := context.WithTimeout(ctx, sendTime)
				if c.Ping(ping) != nil {
					c.CloseNow()
				}
				cancel()
			}
		}
	}()
	err = s.Tasks.Watch(ctx, id, after, func(events []task.Event) error {
		for _, e := range events {
			raw, err := live(e)
			if err != nil {
				return err
			}
			send, cancel := context.WithTimeout(ctx, sendTime)
			err = c.Write(send, websocket.MessageText, raw)
			cancel()
			if err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
		_ = c.Close(websocket.StatusNormalClosure, "ended")
	case fault.CodeOf(err) == fault.Unavailable:
		_ = c.Close(websocket.StatusGoingAway, "ariad is stopping")
	}
}

func (s *server) sse(ctx context.Context, w http.ResponseWriter, r *http.Request, id task.ID, after uint64) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	var mu sync.Mutex // one writer at a time: events and the pulse
	write := func(text string) error {
		mu.Lock()
		defer mu.Unlock()
		_ = rc.SetWriteDeadline(time.Now().Add(sendTime))
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return rc.Flush()
	}
	ctx, cancel := context.WithCancel(ctx)
	var pulsing sync.WaitGroup
	pulsing.Go(func() {
		for every := time.NewTicker(pulse); ; {
			select {
			case <-ctx.Done():
				every.Stop()
				return
			case <-every.C:
				_ = write(": still here\n\n")
			}
		}
	})
	_ = write(": events of " + string(id) + "\n\n")
	_ = s.Tasks.Watch(ctx, id, after, func(events []task.Event) error {
		var text strings.Builder
		for _, e := range events {
			raw, err := live(e)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, raw)
		}
		return write(text.String())
	})
	cancel()
	pulsing.Wait()
	_ = rc.SetWriteDeadline(time.Time{})
}
