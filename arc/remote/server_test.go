package remote

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

const secret = "s3cret"

// peer is a server that speaks the real protocol: one run with a journal of
// events, and connections that it cuts where a test says so.
type peer struct {
	mu      sync.Mutex
	events  int            // length of the journal; the last one is "ended"
	cutAt   []uint64       // per connection: cut after this sequence number
	afters  []uint64       // what each Watch asked for
	keys    []string       // idempotency keys of Start and Upload
	cuts    atomic.Int32   // connections still to cut before answering
	answer  *connect.Error // what Start says, nil for a run
	uploads []*ariav1.UploadRequest
}

func newPeer(t *testing.T, p *peer) *Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(ariav1connect.NewTaskServiceHandler(taskPeer{peer: p}))
	mux.Handle(ariav1connect.NewBundleServiceHandler(bundlePeer{peer: p}))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			connect.NewErrorWriter().Write(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New("no")))
			return
		}
		if p.cuts.Add(-1) >= 0 {
			// Read what was asked, then break off: the call may have had an effect.
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	c, err := New(s.URL, secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type taskPeer struct {
	ariav1connect.UnimplementedTaskServiceHandler
	*peer
}

func (p taskPeer) Start(_ context.Context, r *connect.Request[ariav1.StartRequest]) (*connect.Response[ariav1.StartResponse], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, r.Msg.GetIdempotencyKey())
	if p.answer != nil {
		return nil, p.answer
	}
	return connect.NewResponse(&ariav1.StartResponse{Run: &ariav1.Run{Id: "run_1", Unit: r.Msg.GetUnit(), State: "pending"}}), nil
}

func (p taskPeer) Watch(ctx context.Context, r *connect.Request[ariav1.WatchRequest], s *connect.ServerStream[ariav1.WatchResponse]) error {
	p.mu.Lock()
	p.afters = append(p.afters, r.Msg.GetAfter())
	var cut uint64
	if len(p.cutAt) > 0 {
		cut, p.cutAt = p.cutAt[0], p.cutAt[1:]
	}
	total := uint64(p.events)
	p.mu.Unlock()
	if r.Msg.GetRun() != "run_1" {
		return detailed(connect.CodeNotFound, &ariav1.Error{Code: "not_found", Message: "no run " + r.Msg.GetRun(), Hint: "arc ls runs"})
	}
	for seq := r.Msg.GetAfter() + 1; seq <= total; seq++ {
		kind := "log"
		if seq == total {
			kind = "ended"
		}
		batch := []*ariav1.Event{{Run: "run_1", Seq: seq, Kind: kind, Data: []byte(`{}`)}}
		if seq > 1 { // a server may say the last one twice when it resumes
			batch = append([]*ariav1.Event{{Run: "run_1", Seq: seq - 1, Kind: "log"}}, batch...)
		}
		if err := s.Send(&ariav1.WatchResponse{Events: batch}); err != nil {
			return err
		}
		if seq == cut {
			panic(http.ErrAbortHandler) // net/http cuts the connection
		}
	}
	return nil
}

type bundlePeer struct {
	ariav1connect.UnimplementedBundleServiceHandler
	*peer
}

func (p bundlePeer) Upload(_ context.Context, r *connect.Request[ariav1.UploadRequest]) (*connect.Response[ariav1.UploadResponse], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads = append(p.uploads, r.Msg)
	return connect.NewResponse(&ariav1.UploadResponse{
		Bundle:      &ariav1.Bundle{Digest: "sha256:x", Mode: r.Msg.GetMode(), Size: int64(len(r.Msg.GetBundle()))},
		AlreadyHeld: true,
	}), nil
}

func detailed(code connect.Code, e *ariav1.Error) *connect.Error {
	ce := connect.NewError(code, errors.New(e.GetMessage()))
	d, err := connect.NewErrorDetail(e)
	if err != nil {
		panic(err)
	}
	ce.AddDetail(d)
	return ce
}

func wantFault(t *testing.T, err error, code fault.Code) *fault.Error {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Code != code {
		t.Fatalf("got %v (%s), want a fault with code %s", err, fault.CodeOf(err), code)
	}
	return f
}
