package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
)

const (
	tunnelIdle = 5 * time.Minute
	// encryptedHello is TLS's extension that hides the name a client asks for
	// (RFC 9849): with it the name in the clear says nothing.
	encryptedHello = 0xfe0d
)

// tunnel carries TLS to the host that its lease names, end to end: the client
// inside checks the certificate, and no secret is added. What is checked here is
// that it is TLS, and for that host.
func (s *session) tunnel(w http.ResponseWriter, r *http.Request) {
	t, up, done, err := s.open(r)
	if err != nil {
		s.refuseTunnel(w, s.refused(err))
		return
	}
	defer done()
	defer up.Close()
	s.unrecorded(t)
	inside, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer inside.Close()
	stop := context.AfterFunc(s.ctx, func() { inside.Close(); up.Close() })
	defer stop()
	if _, err := io.WriteString(inside, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	hello, err := readHello(inside, buffered.Reader, t)
	if err != nil {
		s.refused(err)
		_, _ = inside.Write([]byte{21, 3, 3, 0, 2, 2, 49}) // the alert access_denied
		return
	}
	if _, err := up.Write(hello); err != nil {
		return
	}
	splice(inside, buffered.Reader, up)
}

// unrecorded says once for each host that the record does not hold what passes.
func (s *session) unrecorded(t egress.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.call.Recorded || s.tunnels[t.String()] {
		return
	}
	s.tunnels[t.String()] = true
	s.log.Add(broker.Entry{Level: "warn", Text: "net: the tunnel to " + t.String() + " is not recorded: what passes it is made again when the run is taken up after a crash"})
}

// open holds the target's token and connects.
func (s *session) open(r *http.Request) (egress.Target, net.Conn, func(), error) {
	t, err := egress.ParseTarget(r.RequestURI, 443)
	if err != nil {
		return t, nil, nil, err
	}
	hold, err := egress.Hold(r.Context(), s.call, t)
	if err != nil {
		return t, nil, nil, err
	}
	up, err := s.gate.cfg.Egress.Dial(r.Context(), t)
	if err != nil {
		hold.Done()
		return t, nil, nil, err
	}
	if hold.Until.IsZero() {
		return t, up, hold.Done, nil
	}
	end := time.AfterFunc(time.Until(hold.Until), func() { up.Close() }) // ttl= of the token
	return t, up, func() { end.Stop(); hold.Done() }, nil
}

// refuseTunnel puts the sentence into the reason, which is what clients show.
func (s *session) refuseTunnel(w http.ResponseWriter, f *fault.Error) {
	status := http.StatusForbidden
	if f.Code != fault.Denied {
		status = http.StatusBadGateway
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		say(w, status, f)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nAria-Refused: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, reason(f), f.Code)
}

func reason(f *fault.Error) string {
	text := f.Message
	if f.Hint != "" {
		text += "; " + f.Hint
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), 500)]
}

// readHello reads the client's first message and returns its bytes. TLS's own
// parser reads it; the handshake itself goes no further here.
func readHello(c net.Conn, from io.Reader, t egress.Target) ([]byte, error) {
	c.SetReadDeadline(time.Now().Add(headTimeout))
	defer c.SetReadDeadline(time.Time{})
	var seen bytes.Buffer
	var hello *tls.ClientHelloInfo
	probe := tls.Server(readOnly{c, io.TeeReader(io.LimitReader(from, maxHead), &seen)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = h
			return nil, errHead
		},
	})
	err := probe.Handshake()
	switch {
	case hello == nil:
		return nil, fault.New(fault.Denied, "%s is for HTTPS: what came through the tunnel is not TLS (%v)", t.Token, err)
	case slices.Contains(hello.Extensions, encryptedHello):
		return nil, fault.New(fault.Denied, "%s: the client hides the name it asks for (encrypted hello), so it cannot be held against the token", t.Token)
	case t.Literal() && hello.ServerName == "":
		return seen.Bytes(), nil
	case !strings.EqualFold(hello.ServerName, t.Host):
		return nil, fault.New(fault.Denied, "the tunnel is to %s, and TLS in it asks for %q, which %s does not allow", t, clean(hello.ServerName), t.Token).
			WithHint("declare net('%s') if that is meant", clean(hello.ServerName))
	}
	return seen.Bytes(), nil
}

// readOnly lets a parser read and say nothing.
type readOnly struct {
	net.Conn
	r io.Reader
}

func (c readOnly) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c readOnly) Write(p []byte) (int, error) { return len(p), nil }
func (c readOnly) Close() error                { return nil }

// splice carries both directions until both have ended, one was silent for too
// long, or more went through than a tunnel carries.
func splice(inside net.Conn, from io.Reader, up net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { oneWay(up, from, inside, up) })
	oneWay(inside, up, inside, up)
	both.Wait()
}

func oneWay(to net.Conn, from io.Reader, inside, up net.Conn) {
	_, err := io.Copy(to, io.LimitReader(&lively{from, inside, up}, egress.MaxResponse))
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	inside.Close()
	up.Close()
}

// lively moves the deadline of both ends with every byte.
type lively struct {
	r          io.Reader
	inside, up net.Conn
}

func (l *lively) Read(p []byte) (int, error) {
	end := time.Now().Add(tunnelIdle)
	l.inside.SetDeadline(end)
	l.up.SetDeadline(end)
	n, err := l.r.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}
