package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// machine takes everything down that it is asked for.
type machine struct {
	header, data []byte
	unwell       string
	broken       error
}

func (m *machine) Begin(h []byte, _ bool) (Upload, error) {
	m.header = h
	return Upload{Image: "sha256:i", Offset: 5, Size: 9, Slot: "b"}, m.broken
}
func (m *machine) Write(_ firmware.Digest, offset int64, data []byte) (int64, error) {
	m.data = data
	return offset + int64(len(data)), m.broken
}
func (m *machine) Commit(firmware.Digest) (Status, error) {
	return Status{State: Restarting}, m.broken
}
func (m *machine) Status() Status       { return Status{Version: "1", State: Steady, Keys: []string{"k"}} }
func (m *machine) Healthy() error       { return m.broken }
func (m *machine) Unwell(reason string) { m.unwell = reason }

func serving(t *testing.T, m *machine, uid int) Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := Listen(path, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, uid, m, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return Client(path)
}

func TestCommands(t *testing.T) {
	m := &machine{}
	c, ctx := serving(t, m, os.Getuid()), t.Context()
	up, err := c.Begin(ctx, []byte("head"), false)
	if want := (Upload{"sha256:i", 5, 9, "b"}); err != nil || up != want || string(m.header) != "head" {
		t.Errorf("Begin = %+v, %v", up, err)
	}
	data := bytes.Repeat([]byte{7}, MaxData)
	if n, err := c.Write(ctx, "sha256:i", 5, data); err != nil || n != 5+MaxData || !bytes.Equal(m.data, data) {
		t.Errorf("Write = %d, %v", n, err)
	}
	if _, err := c.Write(ctx, "sha256:i", 5, append(data, 1)); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("too much at a time: %v", err)
	}
	if st, err := c.Commit(ctx, "sha256:i"); err != nil || st.State != Restarting {
		t.Errorf("Commit = %+v, %v", st, err)
	}
	st, err := c.Status(ctx)
	if d := cmp.Diff(Status{Version: "1", State: Steady, Keys: []string{"k"}}, st); err != nil || d != "" {
		t.Error(err, d)
	}
	if err := errors.Join(c.Healthy(ctx), c.Unwell(ctx, "no quiltd")); err != nil || m.unwell != "no quiltd" {
		t.Errorf("%v, %q", err, m.unwell)
	}
}

func TestErrorsCross(t *testing.T) {
	m := &machine{broken: fault.New(fault.Denied, "bad signature").WithHint("make it again")}
	c := serving(t, m, os.Getuid())
	_, err := c.Begin(t.Context(), nil, false)
	if f, _ := fault.As(err); f == nil || f.Code != fault.Denied || f.Message != "bad signature" || f.Hint != "make it again" {
		t.Errorf("%#v", err)
	}
	m.broken = errors.New("disk 7 burns")
	if err := c.Healthy(t.Context()); fault.CodeOf(err) != fault.Internal || bytes.Contains([]byte(err.Error()), []byte("burns")) {
		t.Errorf("%v", err)
	}
	if _, err := Client("/nowhere/s").Status(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
}

func TestStrangersAreNotHeard(t *testing.T) {
	c := serving(t, &machine{}, os.Getuid()+1)
	if _, err := c.Status(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("another user: %v", err)
	}
}

// Whatever is sent, the service goes on.
func TestRubbish(t *testing.T) {
	c := serving(t, &machine{}, os.Getuid())
	for _, raw := range []string{"", "\xff\xff\xff\xff", "\x00\x00\x00\x02{}", "\x00\x00\x00\x04nope",
		"\x00\x00\x00\x0f{\"op\":\"format\"}", "\x00\x00\x00\x1f{\"op\":\"write\",\"data\":999999999}", "\x00\x00\x00\x1d{\"op\":\"write\",\"data\":-5}    "} {
		conn, err := net.Dial("unix", string(c))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(raw))
		_ = conn.(*net.UnixConn).CloseWrite()
		_, _ = conn.Read(make([]byte, 1<<10))
		_ = conn.Close()
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
