package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// talk sends frames from inside and collects what comes back.
func talk(t *testing.T, tokens []string, raw []byte) (out Outcome, answers []string, entries []Entry) {
	t.Helper()
	set, err := token.ParseSet(tokens)
	if err != nil {
		t.Fatal(err)
	}
	start, err := Start{Unit: "u", Args: json.RawMessage("[]")}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	inside, outside := socketPair(t)
	received := make(chan []string)
	go func() {
		inside.Write(raw)
		inside.CloseWrite()
		var all []string
		for {
			var n uint32
			if binary.Read(inside, binary.BigEndian, &n) != nil {
				break
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(inside, b); err != nil {
				break
			}
			all = append(all, string(b))
		}
		received <- all
	}()
	out = Serve(t.Context(), outside, Config{
		Grant: Grant{Tokens: set, Fence: 1}, Start: start, ResultBytes: 100,
		Log:   NewLog(1000, slog.New(slog.DiscardHandler), func(e Entry) { entries = append(entries, e) }),
		Ready: func() {}, Last: func() {},
	})
	answers = <-received
	return out, answers, entries
}

func socketPair(t *testing.T) (inside, outside *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn), o
}

func framed(bodies ...string) []byte {
	var b bytes.Buffer
	for _, body := range bodies {
		binary.Write(&b, binary.BigEndian, uint32(len(body)))
		b.WriteString(body)
	}
	return b.Bytes()
}

const ready = `{"t":"ready"}`

func TestProtocol(t *testing.T) {
	for _, test := range []struct {
		name     string
		frames   []byte
		protocol string // part of the error; "" is none
		result   string
	}{
		{"nothing at all", nil, "", ""},
		{"a result", framed(ready, `{"t":"result","value":{"a":1}}`), "", `{"a":1}`},
		{"undefined is null", framed(ready, `{"t":"result"}`), "", `null`},
		{"cut inside a length", framed(ready)[:3], "", ""},
		{"cut inside a frame", append(framed(ready), 0, 0, 0, 9, '{'), "", ""},
		{"ready missing", framed(`{"t":"result","value":1}`), "before ready", ""},
		{"ready twice", framed(ready, ready), "ready twice", ""},
		{"two results", framed(ready, `{"t":"result","value":1}`, `{"t":"result","value":1}`), "after the last frame", "1"},
		{"log after the result", framed(ready, `{"t":"result","value":1}`, `{"t":"log","level":"info","text":""}`), "after the last frame", "1"},
		{"too long", []byte{0xff, 0xff, 0xff, 0xff}, "bytes; at most", ""},
		{"one byte too long", binary.BigEndian.AppendUint32(nil, MaxIn+1), "bytes; at most", ""},
		{"empty frame", framed(""), "not a JSON object", ""},
		{"an array", framed(`[]`), "not a JSON object", ""},
		{"broken JSON", framed(`{"t":`), "not valid", ""},
		{"two objects", framed(`{"t":"ready"}{}`), "not valid", ""},
		{"not UTF-8", framed("{\"t\":\"\xff\"}"), "not UTF-8", ""},
		{"unknown type", framed(`{"t":"start"}`), "unknown type", ""},
		{"unknown level", framed(ready, `{"t":"log","level":"loud","text":""}`), "unknown level", ""},
		{"fields no object", framed(ready, `{"t":"log","level":"info","text":"","fields":[1]}`), "not an object", ""},
		{"id 0", framed(ready, `{"t":"call","id":0,"op":"kv.get"}`), "ids rise", ""},
		{"id again", framed(ready, `{"t":"call","id":1,"op":"x"}`, `{"t":"call","id":1,"op":"x"}`), "ids rise", ""},
		{"id no number", framed(ready, `{"t":"call","id":"1","op":"x"}`), "not valid", ""},
		{"error without one", framed(ready, `{"t":"error"}`), "without an error", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, _, _ := talk(t, nil, test.frames)
			switch {
			case test.protocol == "" && out.Protocol != nil:
				t.Errorf("refused: %v", out.Protocol)
			case test.protocol != "" && (out.Protocol == nil || !strings.Contains(out.Protocol.Error(), test.protocol)):
				t.Errorf("protocol error %v, want %q", out.Protocol, test.protocol)
			}
			if string(out.Result) != test.result {
				t.Errorf("result %s, want %s", out.Result, test.result)
			}
		})
	}
}

func TestAResultBeyondTheLimitIsNotTaken(t *testing.T) {
	out, _, _ := talk(t, nil, framed(ready, `{"t":"result","value":"`+strings.Repeat("x", 200)+`"}`))
	if out.Result != nil || out.Oversize != 202 || out.Protocol != nil {
		t.Errorf("%+v", out)
	}
}

func TestLogBudget(t *testing.T) {
	many := []string{ready}
	for range 50 {
		many = append(many, `{"t":"log","level":"info","text":"`+strings.Repeat("x", 36)+`"}`)
	}
	_, _, entries := talk(t, nil, framed(many...))
	if len(entries) != 11 || !strings.Contains(entries[10].Text, "dropped") {
		t.Errorf("%d entries, last %+v; want 10 and a marker", len(entries), entries[len(entries)-1])
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, seed := range [][]byte{
		framed(ready), framed(`{"t":"call","id":1,"op":"kv.get","args":{"ns":"a","key":"k"}}`),
		framed(`{"t":"error","error":{"name":"E"}}`), {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 9, '{'}, nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bytes.NewReader(raw)
		in := inbox{r: r}
		frame, err := in.next()
		if err != nil {
			return
		}
		used := len(raw) - r.Len() - len(in.buf)
		if size := int(binary.BigEndian.Uint32(raw)); used != size+4 {
			t.Fatalf("a frame of %d bytes took %d", size, used)
		}
		switch frame.T {
		case "ready", "log", "call", "result", "error":
		default:
			t.Fatalf("type %q passed", frame.T)
		}
	})
}

// A container that asks and never reads its answers holds up only itself: the
// session keeps a bounded number of calls and ends with its context.
func TestAContainerThatNeverReads(t *testing.T) {
	set, err := token.ParseSet([]string{"kv:a:r"})
	if err != nil {
		t.Fatal(err)
	}
	inside, outside := socketPair(t)
	defer inside.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		inside.Write(framed(ready))
		long := strings.Repeat("x", 2000) // comes back in each refusal's message, cut
		for id := 1; ; id++ {
			if _, err := inside.Write(framed(fmt.Sprintf(`{"t":"call","id":%d,"op":%q}`, id, long))); err != nil {
				return
			}
			if id == 5000 {
				break
			}
		}
	}()
	time.AfterFunc(500*time.Millisecond, cancel)
	began := time.Now()
	out := Serve(ctx, outside, Config{
		Grant: Grant{Tokens: set, Fence: 1}, ResultBytes: 100,
		Log:   NewLog(1000, slog.New(slog.DiscardHandler), func(Entry) {}),
		Ready: func() {}, Last: func() {},
	})
	if took := time.Since(began); took > 5*time.Second || out.Protocol != nil || out.Calls == 0 || out.Calls >= 5000 {
		t.Errorf("ended after %s with %+v", took, out)
	}
}
