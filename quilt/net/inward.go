package net

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// inward is a transport to a handler of this process: what the gate itself offers
// is asked as if it were a host, and answered as its handler writes.
type inward struct {
	to   http.Handler
	busy *sync.WaitGroup // handlers under way
}

func (t inward) RoundTrip(r *http.Request) (*http.Response, error) {
	from, to := io.Pipe()
	w := &reply{header: http.Header{}, to: to, ready: make(chan struct{})}
	in := r.Clone(r.Context())
	t.busy.Go(func() {
		defer func() {
			if broke := recover(); broke == http.ErrAbortHandler {
				to.CloseWithError(fault.New(fault.Unavailable, "the answer broke off"))
			} else if broke != nil {
				panic(broke)
			}
			w.WriteHeader(http.StatusOK)
			to.Close()
		}()
		t.to.ServeHTTP(w, in)
	})
	select {
	case <-w.ready:
	case <-r.Context().Done():
		from.Close()
		return nil, context.Cause(r.Context())
	}
	return &http.Response{Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: from, ContentLength: -1, Request: r}, nil
}

// reply is what the handler writes to.
type reply struct {
	header, sent http.Header
	to           *io.PipeWriter
	once         sync.Once
	status       int
	ready        chan struct{} // closed once status and sent are there
}

func (w *reply) Header() http.Header { return w.header }

func (w *reply) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *reply) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.to.Write(b)
}

// Flush does nothing: what is written is read at once.
func (w *reply) Flush() {}
