package llmgate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// maxAnswer bounds one answer; a server that sends more is broken or hostile.
const maxAnswer = 32 << 20

// maxLine bounds one line of a stream.
const maxLine = 8 << 20

// passed are the headers of a provider that a client may see.
var passed = []string{"Content-Type", "Retry-After", "Retry-After-Ms", "X-Should-Retry", "Request-Id", "X-Request-Id"}

func copyHeaders(w http.ResponseWriter, res *http.Response) {
	for _, h := range passed {
		if v := res.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
}

// mask hides a key that a server repeats.
func mask(text []byte, key string) []byte {
	if key == "" {
		return text
	}
	return bytes.ReplaceAll(text, []byte(key), []byte("[key]"))
}

// refusal passes an error of the provider on: it is in the client's dialect. It
// costs nothing but the request.
func (g *Gate) refusal(w http.ResponseWriter, a *ask, t llm.Target, res *http.Response, key string) (used, error) {
	free := used{requests: 1}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return free, fault.New(fault.Invalid, "the server of provider %q answers with a redirect, which is not followed", t.Name).
			WithHint("set base_url in models.toml to where it points")
	}
	if res.StatusCode == 401 || res.StatusCode == 403 {
		return free, fault.New(fault.Unauthenticated, "the server of provider %q refuses the key (HTTP %d)", t.Name, res.StatusCode).
			WithHint("check the key, and that it may use model %q", t.Model)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 256<<10))
	if err != nil || !json.Valid(text) {
		return free, fault.New(fault.Unavailable, "the server of provider %q has a problem (HTTP %d)", t.Name, res.StatusCode)
	}
	copyHeaders(w, res)
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(mask(text, key))
	return free, nil
}

// errCut is the error of an answer that broke off when some of it was out.
var errCut = errors.New("the answer broke off")

// answer copies a good answer and reads what it used on the way.
func (g *Gate) answer(w http.ResponseWriter, a *ask, t llm.Target, res *http.Response, key string) (used, error) {
	m := meterer{ask: a, target: t, key: key}
	body := io.LimitReader(res.Body, maxAnswer+1)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		copyHeaders(w, res)
		w.Header().Set("Cache-Control", "no-store")
		if err := m.stream(w, body); err != nil {
			g.cfg.Log.Info("a model's answer broke off", "token", t.Ref(), "err", err)
			if !m.over {
				return unknown, errCut
			}
			return m.used(), errCut
		}
		return m.used(), nil
	}
	text, err := io.ReadAll(body)
	if err != nil || len(text) > maxAnswer {
		return unknown, fault.Wrap(err, fault.Unavailable, "the answer of provider %q broke off", t.Name)
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return unknown, fault.Wrap(err, fault.Failed, "the server of provider %q answered something that is no JSON", t.Name).
			WithHint("check base_url in models.toml: it usually ends in /v1")
	}
	m.known = a.front.usage(whole, &m.usage)
	copyHeaders(w, res)
	_, _ = w.Write(mask(text, key))
	return m.used(), nil
}

// meterer reads the usage off an answer.
type meterer struct {
	ask    *ask
	target llm.Target
	key    string
	usage  llm.Usage
	known  bool
	over   bool // a stream has said its last word
}

func (m *meterer) used() used {
	if !m.known {
		return unknown
	}
	u := used{requests: 1, tokens: m.usage.Tokens(), micros: -1, answer: &m.usage}
	if m.target.Price != nil {
		u.micros = m.target.Price.Micros(m.usage)
	}
	return u
}

// stream copies server-sent events line by line, each event at once.
func (m *meterer) stream(w http.ResponseWriter, r io.Reader) error {
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 16<<10), maxLine)
	sc.Split(lines)
	skip := false // the empty line behind an event that was left out
	for sc.Scan() {
		line := sc.Bytes()
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if m.look(data) {
				skip = true
				continue
			}
		}
		end := len(bytes.TrimRight(line, "\r\n")) == 0
		if end && skip {
			skip = false
			continue
		}
		if _, err := w.Write(mask(line, m.key)); err != nil {
			return fmt.Errorf("the client went away: %w", err)
		}
		if end {
			flush()
		}
	}
	flush()
	return sc.Err()
}

// look reads one event; hide says that the client did not ask for it.
func (m *meterer) look(data []byte) (hide bool) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		m.over = true
	}
	if !bytes.Contains(data, []byte(`sage`)) { // "usage", "usageMetadata", "message"
		return false
	}
	var event map[string]json.RawMessage
	if json.Unmarshal(data, &event) != nil {
		return false
	}
	if m.ask.front.usage(event, &m.usage) {
		m.known = true
	}
	switch body(event).text("type") {
	case "message_stop", "response.completed", "response.incomplete":
		m.over = true
	}
	if !m.ask.hideUse {
		return false
	}
	var choices []json.RawMessage
	return json.Unmarshal(event["choices"], &choices) == nil && len(choices) == 0 && event["usage"] != nil && m.known
}

// lines is bufio.ScanLines that keeps the ends of lines.
func lines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// dollars of micro-dollars.
func dollars(micros int64) string {
	s := fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
