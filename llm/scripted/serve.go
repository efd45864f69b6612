package scripted

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Server answers from a script until Close. Turns go by arrival of requests.
type Server struct {
	addr   net.Addr
	http   *http.Server
	done   chan struct{}
	script Script

	mu       sync.Mutex // guards what follows
	next     int
	requests []Request
	err      error // first expectation that failed
}

// Serve answers on ln, which it closes in the end.
func Serve(ln net.Listener, script Script) *Server {
	s := &Server{addr: ln.Addr(), script: script, done: make(chan struct{})}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(ln) // ends with Close
	}()
	return s
}

// URL is the base URL for every dialect but Gemini's.
func (s *Server) URL() string { return s.Root() + "/v1" }

// Root is the address alone: "http://127.0.0.1:1234".
func (s *Server) Root() string { return "http://" + s.addr.String() }

// Close ends the server and every open answer.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// Requests are what was asked so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Err is the first expectation that failed, or that turns of the script were
// never asked for.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.next < len(s.script.Turns) {
		return fmt.Errorf("only %d of %d turns were asked for", s.next, len(s.script.Turns))
	}
	return s.err
}

// take finds the turn for a request and checks what it expects. bad says that
// the request itself is wrong.
func (s *Server) take(r Request, bad error) (turn Turn, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	n = s.next
	if n >= len(s.script.Turns) {
		if !s.script.Forever || n == 0 {
			err = errors.New("the script has no further turn")
		} else {
			n--
		}
	} else {
		s.next++
	}
	if err == nil && bad != nil {
		err = bad
	}
	if err == nil {
		turn = s.script.Turns[n]
		err = turn.Expect.check(r)
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("request %d: %w", len(s.requests), err)
	}
	return turn, len(s.requests), err
}

func (s *Server) serve(d dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 32<<20))
		if err != nil {
			d.fail(w, 400, err.Error())
			return
		}
		if key := d.key(req.Header); s.script.Key != "" && key != s.script.Key {
			d.fail(w, 401, "Incorrect API key provided: "+key)
			return
		}
		r, err := d.read(body, req.URL.RequestURI())
		r.Path, r.Header, r.Body = req.URL.RequestURI(), req.Header, body
		turn, n, err := s.take(r, err)
		if err != nil {
			d.fail(w, 400, "script: "+err.Error())
			return
		}
		select {
		case <-time.After(turn.delay()):
		case <-req.Context().Done():
			return
		}
		if turn.RetryAfter != "" {
			w.Header().Set("Retry-After", turn.RetryAfter)
		}
		for k, v := range turn.Headers {
			w.Header().Set(k, v)
		}
		switch {
		case turn.Status != 0 && turn.Status != 200:
			d.fail(w, turn.Status, turn.Error)
		case turn.Raw != "":
			_, _ = w.Write([]byte(turn.Raw))
		default:
			d.say(say{w: w, req: r, turn: turn, n: n})
		}
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": text, "type": "script"}})
}
