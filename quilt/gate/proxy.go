package gate

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
)

// ServeHTTP takes one request apart: a tunnel, a proxied request, or one to the
// gate itself.
func (s *session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		return
	}
	defer s.busy.Done()
	switch {
	case r.Method == http.MethodConnect:
		s.tunnel(w, r)
	case r.URL.IsAbs() && r.URL.Host != s.gate.cfg.Addr:
		s.forward(w, r)
	default:
		s.own(w, r)
	}
}

// beside: where calls are recorded the harness takes requests another way, so this
// one comes from something that it does not know.
var beside = fault.New(fault.Denied, "this request comes from a socket of the unit's own, where it cannot be recorded, and the run is").
	WithHint("use fetch, node:http, node:https or net(host).fetch; not Bun.fetch, a Worker or a raw connection")

// own answers what is asked of the gate itself.
func (s *session) own(w http.ResponseWriter, r *http.Request) {
	if s.call.Recorded {
		say(w, http.StatusForbidden, s.refused(beside))
		return
	}
	s.inside.ServeHTTP(w, r)
}

// Inside is what the gate itself offers an execution, at its own address: the
// model gateway.
func (g *Gate) Inside(call broker.Call) http.Handler {
	var model http.Handler
	if g.cfg.Model != nil {
		model = g.cfg.Model(call)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch first {
		case "openai", "anthropic", "gemini":
			if model != nil {
				r.URL.Scheme, r.URL.Host = "", "" // as if it had not come through a proxy
				r.RequestURI = r.URL.RequestURI()
				model.ServeHTTP(w, r)
				return
			}
		}
		say(w, http.StatusNotFound, fault.New(fault.NotFound, "the gate has nothing at %s", clean(r.URL.Path)))
	})
}

// hop are headers that end here (RFC 9110, 7.6.1).
var hop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func endToEnd(h http.Header) http.Header {
	out := maps.Clone(h)
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hop {
		out.Del(name)
	}
	return out
}

// forward sends a request in the clear to where its lease lets it. It follows no
// redirect: a client that does comes back with the next.
func (s *session) forward(w http.ResponseWriter, r *http.Request) {
	t, err := egress.ParseTarget(r.URL.Host, 80)
	if err != nil {
		say(w, http.StatusForbidden, s.refused(err))
		return
	}
	hold, err := egress.Hold(r.Context(), s.call, t)
	if err != nil {
		say(w, http.StatusForbidden, s.refused(err))
		return
	}
	defer hold.Done()
	if s.call.Recorded {
		say(w, http.StatusForbidden, s.refused(beside))
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.Host, out.URL.User = "", "", nil
	out.Header = endToEnd(r.Header)
	out.Body = http.MaxBytesReader(w, r.Body, egress.MaxRequest)
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // and not Go's
	}
	res, err := s.transport.RoundTrip(out)
	if err != nil {
		say(w, statusOf(err), s.refused(err))
		return
	}
	defer res.Body.Close()
	maps.Copy(w.Header(), endToEnd(res.Header))
	w.WriteHeader(res.StatusCode)
	pass(w, io.LimitReader(res.Body, egress.MaxResponse))
}

// pass copies what comes as it comes: a stream of events must not wait.
func pass(w http.ResponseWriter, r io.Reader) {
	flush := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = flush.Flush()
		}
		if err != nil {
			return
		}
	}
}

func statusOf(err error) int {
	if fault.CodeOf(err) == fault.Denied {
		return http.StatusForbidden
	}
	return http.StatusBadGateway
}

// say answers with a fault, in the form of the house's JSON errors.
func say(w http.ResponseWriter, status int, f *fault.Error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Aria-Refused", string(f.Code))
	w.WriteHeader(status)
	fmt.Fprintln(w, f.Message)
	if f.Hint != "" {
		fmt.Fprintln(w, "hint: "+broker.Clip(f.Hint, 600))
	}
}
