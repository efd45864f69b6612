package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"slices"
	"strings"
)

// Mask replaces a value by "[secret NAME]" in what comes back from outside: as
// it is, and as URLs, JSON, HTML, hex and base64 would write it (base64 at each
// of its three alignments, so that a Basic credential is found too). A server
// that transforms it in some other way is beyond a mask. The nil Mask changes
// nothing.
type Mask struct {
	with     []byte
	patterns [][]byte // longest first
	longest  int
}

// NewMask masks value under name.
func NewMask(name, value string) *Mask {
	m := &Mask{with: []byte("[secret " + name + "]")}
	add := func(forms ...string) {
		for _, f := range forms {
			if len(f) >= MinValue && !slices.ContainsFunc(m.patterns, func(p []byte) bool { return string(p) == f }) {
				m.patterns = append(m.patterns, []byte(f))
			}
		}
	}
	add(value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value))
	add(lowerPercent(url.QueryEscape(value)), lowerPercent(url.PathEscape(value)))
	for _, escape := range []bool{true, false} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escape)
		if enc.Encode(value) == nil {
			add(strings.Trim(strings.TrimSpace(b.String()), `"`))
		}
	}
	add(hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))
	for lead := range 3 {
		add(aligned(base64.RawStdEncoding, value, lead), aligned(base64.RawURLEncoding, value, lead))
	}
	slices.SortStableFunc(m.patterns, func(a, b []byte) int { return len(b) - len(a) })
	for _, p := range m.patterns {
		m.longest = max(m.longest, len(p))
	}
	return m
}

// aligned are the characters that depend on value alone when lead bytes stand
// before it and anything behind.
func aligned(enc *base64.Encoding, value string, lead int) string {
	text := enc.EncodeToString(append(make([]byte, lead), value...))
	from := (lead*8 + 5) / 6
	to := (lead + len(value)) * 8 / 6
	return text[from:to]
}

// lowerPercent writes %2f for %2F.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i:i+3], bytes.ToLower(b[i:i+3]))
		}
	}
	return string(b)
}

// String is s, masked.
func (m *Mask) String(s string) string {
	if m == nil {
		return s
	}
	out, held := m.scan(nil, []byte(s), true)
	return string(append(out, held...))
}

// scan appends what is settled of buf to out and returns the rest, which is the
// longest end of buf that could begin a pattern; with last there is no rest.
func (m *Mask) scan(out, buf []byte, last bool) (settled, held []byte) {
	for {
		at, size := -1, 0
		for _, p := range m.patterns {
			if i := bytes.Index(buf, p); i >= 0 && (at < 0 || i < at) {
				at, size = i, len(p)
			}
		}
		if at < 0 {
			break
		}
		out = append(append(out, buf[:at]...), m.with...)
		buf = buf[at+size:]
	}
	keep := 0
	if !last {
		keep = m.pending(buf)
	}
	return append(out, buf[:len(buf)-keep]...), buf[len(buf)-keep:]
}

// pending is the length of the longest end of buf that begins a pattern.
func (m *Mask) pending(buf []byte) int {
	for n := min(len(buf), m.longest-1); n > 0; n-- {
		end := buf[len(buf)-n:]
		for _, p := range m.patterns {
			if n < len(p) && bytes.HasPrefix(p, end) {
				return n
			}
		}
	}
	return 0
}

// Reader masks a stream. It holds back no more than what could be the beginning
// of the value, so that a stream of events stays one.
func (m *Mask) Reader(r io.Reader) io.Reader {
	if m == nil {
		return r
	}
	return &masked{m: m, r: r, in: make([]byte, 16<<10)}
}

type masked struct {
	m    *Mask
	r    io.Reader
	in   []byte
	held []byte // seen, and not settled
	out  []byte // settled, and not read
	err  error
}

func (r *masked) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		n, err := r.r.Read(r.in)
		r.err = err
		settled, held := r.m.scan(nil, append(r.held, r.in[:n]...), err != nil)
		r.out, r.held = settled, bytes.Clone(held)
	}
	if len(r.out) == 0 {
		return 0, r.err
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}
