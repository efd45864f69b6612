package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/coder/websocket"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

// event as a reader saw it.
type event struct {
	seq        uint64
	kind, data string
}

// reader follows a run one way, connection after connection.
type reader struct {
	name            string
	once            func(ctx context.Context, r *reader) error // one connection, until it ends or breaks
	relay           *relay
	run, credential string

	connections int
	seen        []event
}

// after is the last event that the reader has.
func (r *reader) after() uint64 {
	if len(r.seen) == 0 {
		return 0
	}
	return r.seen[len(r.seen)-1].seq
}

func (r *reader) take(seq uint64, kind, data string) {
	r.seen = append(r.seen, event{seq, kind, data})
}

func (r *reader) ended() bool {
	return len(r.seen) > 0 && r.seen[len(r.seen)-1].kind == "ended"
}

// follow connects again until it has seen the end.
func (r *reader) follow(ctx context.Context) error {
	for !r.ended() {
		r.connections++
		err := r.once(ctx, r)
		if ctx.Err() != nil {
			return fmt.Errorf("not at the end after %d connections and %d events: %w", r.connections, len(r.seen), err)
		}
		if err == nil && !r.ended() {
			return errors.New("the stream ended in order, before the run did")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func overGRPC(ctx context.Context, r *reader) error {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	t := &http.Transport{Protocols: p}
	defer t.CloseIdleConnections()
	c := ariav1connect.NewTaskServiceClient(&http.Client{Transport: t}, "http://"+r.relay.addr(), connect.WithGRPC())
	req := connect.NewRequest(&ariav1.WatchRequest{Run: r.run, After: r.after()})
	req.Header().Set("Authorization", "Bearer "+r.credential)
	s, err := c.Watch(ctx, req)
	if err != nil {
		return err
	}
	defer s.Close()
	for s.Receive() {
		for _, e := range s.Msg().Events {
			r.take(e.Seq, e.Kind, string(e.Data))
		}
	}
	return s.Err()
}

// told is an event as the other two carry it.
type told struct {
	Seq  uint64          `json:"seq"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

func (r *reader) url(scheme string) string {
	return scheme + "://" + r.relay.addr() + "/v1/runs/" + r.run + "/events"
}

func overWebSocket(ctx context.Context, r *reader) error {
	c, _, err := websocket.Dial(ctx, r.url("ws")+"?after="+strconv.FormatUint(r.after(), 10),
		&websocket.DialOptions{Subprotocols: []string{"bearer." + r.credential}})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	c.SetReadLimit(16 << 20)
	for {
		_, raw, err := c.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return nil
		}
		if err != nil {
			return err
		}
		var e told
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		r.take(e.Seq, e.Kind, string(e.Data))
	}
}

// overSSE reads as a browser does: an event counts once its empty line is there.
func overSSE(ctx context.Context, r *reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("http"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+r.credential)
	if n := r.after(); n > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(n, 10))
	}
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	res, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", res.Status)
	}
	var e told
	in := bufio.NewReader(res.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if r.ended() {
				return nil
			}
			return err
		}
		switch text, isData := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: "); {
		case isData:
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				return err
			}
		case text == "" && e.Seq > 0:
			r.take(e.Seq, e.Kind, string(e.Data))
			e = told{}
		}
	}
}

// same is one form for JSON that says the same.
func same(data string) string {
	var v any
	if json.Unmarshal([]byte(data), &v) != nil {
		return data
	}
	out, err := json.Marshal(v)
	if err != nil {
		return data
	}
	return string(out)
}
