package remote

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

// box is a machine that takes firmware; it has some of it already, and its
// connection breaks off after some calls, once the work is done.
type box struct {
	ariav1connect.UnimplementedFirmwareServiceHandler
	got      []byte
	size     int
	cutWrite int // break off the answer to this Write
	writes   int
	cutEnd   bool // break off the answer to Commit
	state    string
	last     *ariav1.FirmwareUpdate
	conn     func() // ends the connection without an answer
}

func (b *box) Begin(context.Context, *connect.Request[ariav1.BeginFirmwareRequest]) (*connect.Response[ariav1.BeginFirmwareResponse], error) {
	b.state = "receiving"
	return connect.NewResponse(&ariav1.BeginFirmwareResponse{Image: "sha256:i", Offset: int64(len(b.got)), Size: int64(b.size), Slot: "b"}), nil
}

func (b *box) Write(_ context.Context, r *connect.Request[ariav1.WriteFirmwareRequest]) (*connect.Response[ariav1.WriteFirmwareResponse], error) {
	if r.Msg.Offset == int64(len(b.got)) {
		b.got = append(b.got, r.Msg.Data...)
	}
	if b.writes++; b.writes == b.cutWrite {
		b.conn()
	}
	return connect.NewResponse(&ariav1.WriteFirmwareResponse{Offset: int64(len(b.got))}), nil
}

func (b *box) Commit(context.Context, *connect.Request[ariav1.CommitFirmwareRequest]) (*connect.Response[ariav1.CommitFirmwareResponse], error) {
	if b.state != "receiving" {
		return nil, connect.NewError(connect.CodeNotFound, errors.New("no transfer is under way"))
	}
	b.state = "restarting"
	if b.cutEnd {
		b.conn()
	}
	return connect.NewResponse(&ariav1.CommitFirmwareResponse{}), nil
}

func (b *box) Status(context.Context, *connect.Request[ariav1.FirmwareStatusRequest]) (*connect.Response[ariav1.FirmwareStatusResponse], error) {
	return connect.NewResponse(&ariav1.FirmwareStatusResponse{Version: "1", State: b.state, Last: b.last,
		Update: &ariav1.FirmwareUpdate{Image: "sha256:i"}}), nil
}

func (b *box) client(t *testing.T) *Client {
	t.Helper()
	_, h := ariav1connect.NewFirmwareServiceHandler(b)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.conn = func() {
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				c.Close()
			}
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	c, err := New(s.URL, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPushFirmware(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), firmwareChunk/4) // two chunks and a half
	for _, c := range []struct {
		name   string
		box    box
		writes int
	}{
		{"in one go", box{}, 3},
		{"going on", box{got: bytes.Clone(payload[:firmwareChunk])}, 2},
		{"an answer to a write is lost", box{cutWrite: 2}, 4},
		{"the answer to commit is lost", box{cutEnd: true}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &c.box
			b.size = len(payload)
			first := int64(-1)
			image, err := b.client(t).PushFirmware(t.Context(), []byte("header"), bytes.NewReader(payload), false, func(at, _ int64) {
				if first < 0 {
					first = at
				}
			})
			if err != nil || image != "sha256:i" || !bytes.Equal(b.got, payload) || b.writes != c.writes {
				t.Errorf("image %q, %d bytes in %d writes, %v", image, len(b.got), b.writes, err)
			}
			if c.name == "going on" && first != firmwareChunk {
				t.Errorf("began at %d", first)
			}
		})
	}
}

func TestAnImageFileThatIsTooShort(t *testing.T) {
	b := &box{size: 100}
	_, err := b.client(t).PushFirmware(t.Context(), nil, bytes.NewReader(make([]byte, 60)), false, func(int64, int64) {})
	if fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestAwaitFirmware(t *testing.T) {
	b := &box{state: "steady", last: &ariav1.FirmwareUpdate{Image: "sha256:i", Outcome: "kept", EndedUnixMs: 7}}
	c := b.client(t)
	st, err := c.AwaitFirmware(t.Context(), "sha256:i", nil)
	if err != nil || st.Last.Outcome != "kept" {
		t.Errorf("%+v, %v", st, err)
	}
	// The same image had an outcome before: that one is not the answer.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitFirmware(ctx, "sha256:i", st.Last.Ended); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("an old outcome: %v", err)
	}
}
