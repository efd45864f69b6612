package kv

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const (
	watchKeys = 50
	watchMost = 20 * time.Second // of one question
	watchSize = 8 << 20          // bytes of values in one answer
)

type watchArgs struct {
	NS     string `json:"ns"`
	Prefix string `json:"prefix"`
	Since  string `json:"since"`
	WaitMs int64  `json:"waitMs"`
}

// kvNews is one step of a watch. Of many large values the last are left out: the
// version says that there is one.
type kvNews struct {
	Events []kvEvent `json:"events"`
	Next   string    `json:"next"`
	Gap    bool      `json:"gap,omitempty"`
}

type kvEvent struct {
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value,omitempty"`
	Version uint64          `json:"version"` // 0: it is gone
}

// watch answers with what keys that changed are now, each once: what a key was
// in between is not kept. Nothing is kept for a reader either; one that stays
// away for too many changes is told that there is a gap.
func (s *service) watch(ctx context.Context, c broker.Call) (any, error) {
	var a watchArgs
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	hold, err := claim(ctx, c, a.NS, token.Snapshot)
	if err != nil {
		return nil, err
	}
	hold.Done() // only the right counts: a lock held here would keep writers out
	if err := checkText("prefix", a.Prefix); err != nil {
		return nil, err
	}
	since := uint64(0)
	if a.Since != "" {
		if since, err = strconv.ParseUint(a.Since, 10, 64); err != nil || since == 0 {
			return nil, fault.New(fault.Invalid, "%q is not a place in a watch", broker.Clip(a.Since, 40)).
				WithHint("pass at of an earlier event")
		}
	}
	wait := min(time.Duration(max(0, a.WaitMs))*time.Millisecond, watchMost)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.Left:
			cancel()
		case <-ctx.Done():
		}
	}()
	news := s.data.Watch(ctx, space(c, a.NS), a.Prefix, since, watchKeys, wait)
	return s.tell(context.WithoutCancel(ctx), space(c, a.NS), news)
}

func (s *service) tell(ctx context.Context, sp store.Space, news store.News) (kvNews, error) {
	out := kvNews{Events: []kvEvent{}, Next: strconv.FormatUint(news.Next, 10), Gap: news.Gap}
	size := 0
	for _, key := range news.Keys {
		it, ok, err := s.data.Get(ctx, sp, key)
		if err != nil {
			return out, err
		}
		e := kvEvent{Key: key}
		if ok {
			e.Value, e.Version = it.Value, it.Version
		}
		if size += len(it.Value); size > watchSize {
			e.Value = nil // the version says that there is one; the client fetches it
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}
