package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// shop is what the units of the sample do.
func shop() *peer {
	var tries atomic.Int32
	return &peer{do: map[string]func(context.Context, *stream) *quiltv1.Ended{
		"shop.get": func(_ context.Context, s *stream) *quiltv1.Ended {
			s.log("looking up")
			return s.result(`{"ok":true}`)
		},
		"shop.bad":  func(_ context.Context, s *stream) *quiltv1.Ended { return s.result(`{"ok":"yes"}`) },
		"shop.hang": hang,
		"shop.fail": func(context.Context, *stream) *quiltv1.Ended {
			return &quiltv1.Ended{Reason: "error", Error: &quiltv1.Error{Code: "E_MADE_UP", Name: "RangeError", Message: "too far"}}
		},
		"shop.flaky": func(_ context.Context, s *stream) *quiltv1.Ended {
			if tries.Add(1) < 3 {
				return &quiltv1.Ended{Reason: "error", Error: &quiltv1.Error{Message: "not now", Retryable: true}}
			}
			return s.result(`{"ok":true}`)
		},
	}}
}

func kinds(evs []task.Event) string {
	var out []string
	for _, e := range evs {
		out = append(out, e.Kind)
	}
	return strings.Join(out, " ")
}

func TestToolRun(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"A-1","when":"2026-01-02T03:04:05Z"}`)})
	if err != nil {
		t.Fatal(err)
	}
	got := h.ended(run.Id)
	if got.State != task.Done || string(got.Output) != `{"ok":true}` {
		t.Errorf("state %s, output %s, error %v", got.State, got.Output, got.Error)
	}
	evs := h.events(run.Id, 0)
	if k := kinds(evs); k != "accepted started log ended" {
		t.Errorf("events: %s", k)
	}
	for i, e := range evs {
		if e.Seq != uint64(i+1) {
			t.Errorf("event %d has seq %d", i, e.Seq)
		}
	}
	req := h.peer.requests()[0]
	if string(req.Input) != `["A-1",5,"2026-01-02T03:04:05Z"]` || string(req.Revive) != `[{"arg":2,"path":"","type":"date"}]` {
		t.Errorf("args %s, revive %s", req.Input, req.Revive)
	}
	var paths []string
	for _, f := range req.Code.Files {
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"code/shop.js", "code/chunk-a.js"}, paths); diff != "" {
		t.Errorf("only what the entry can import is sent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"kv:orders:rw"}, req.Tokens); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	for _, c := range []struct {
		shows, unit, input, words string
		code                      connect.Code
		want                      string
	}{
		{"a value out of bounds names its place", "shop.get", `{"id":"A","cents":-5}`, "", connect.CodeInvalidArgument, "input /cents: must be at least 0, got -5"},
		{"a missing property is named", "shop.get", `{}`, "", connect.CodeInvalidArgument, `input: needs "id"`},
		{"an unknown property is named", "shop.get", `{"id":"A","di":1}`, "", connect.CodeInvalidArgument, `input: has no "di"`},
		{"broken JSON", "shop.get", `{`, "", connect.CodeInvalidArgument, "the input is not JSON"},
		{"an unknown unit", "shop.got", `{}`, "", connect.CodeNotFound, `no unit "shop.got" is registered`},
		{"words for a tool", "shop.get", "", "please", connect.CodeInvalidArgument, "takes input, not words"},
		{"both words and input for a team", "crew", `{}`, "please", connect.CodeInvalidArgument, "both input and words were given"},
	} {
		_, err := h.start(&ariav1.StartRequest{Unit: c.unit, Input: []byte(c.input), Words: c.words})
		if connect.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		if d := detail(t, err); d.Hint == "" || d.Code == "" {
			t.Errorf("%s: no hint in %v", c.shows, d)
		}
	}
	if n := len(h.peer.requests()); n != 0 {
		t.Errorf("%d executions were started", n)
	}
}

func detail(t *testing.T, err error) *ariav1.Error {
	t.Helper()
	var ce *connect.Error
	if errors.As(err, &ce) {
		for _, d := range ce.Details() {
			if v, err := d.Value(); err == nil {
				if e, ok := v.(*ariav1.Error); ok {
					return e
				}
			}
		}
	}
	t.Fatalf("no aria.v1.Error in %v", err)
	return nil
}

func TestFailures(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	for _, c := range []struct {
		shows, unit string
		state       task.State
		code        fault.Code
		message     string
		events      string
	}{
		{"output that is not of the type", "shop.bad", task.Failed, fault.Failed, "output /ok: must be boolean, got string", "accepted started ended"},
		{"a thrown error keeps its class; made up codes are failed", "shop.fail", task.Failed, fault.Failed, "RangeError: too far", "accepted started ended"},
		{"retries, told as events", "shop.flaky", task.Done, "", "", "accepted started retry started retry started ended"},
	} {
		run, err := h.start(&ariav1.StartRequest{Unit: c.unit, Input: []byte(`{"id":"A"}`)})
		if err != nil {
			t.Fatal(err)
		}
		got := h.ended(run.Id)
		if got.State != c.state || got.Error != nil && (got.Error.Code != c.code || got.Error.Message != c.message) {
			t.Errorf("%s: %s %v", c.shows, got.State, got.Error)
		}
		if k := kinds(h.events(run.Id, 0)); k != c.events {
			t.Errorf("%s: events %s", c.shows, k)
		}
	}
}

func TestCancelAndDeadline(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "shop.hang", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.tasks.Cancel(t.Context(), connect.NewRequest(&ariav1.CancelRequest{Run: run.Id, Reason: "enough"}))
	if err != nil || res.Msg.Run.State != "cancelled" || res.Msg.Run.Error.Message != "the run was cancelled: enough" {
		t.Errorf("cancel: %v %v", res, err)
	}
	run, err = h.start(&ariav1.StartRequest{Unit: "shop.hang", Input: []byte(`{"id":"A"}`), DeadlineMs: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.ended(run.Id); got.State != task.Failed || got.Error.Code != fault.Timeout {
		t.Errorf("deadline: %s %v", got.State, got.Error)
	}
}

func TestIdempotency(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	first, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"A"}`), IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{ "id" : "A" }`), IdempotencyKey: "k"})
	if err != nil || again.Id != first.Id {
		t.Errorf("the same request: %v %v", again, err)
	}
	_, err = h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"B"}`), IdempotencyKey: "k"})
	if d := detail(t, err); d.Code != "conflict" {
		t.Errorf("another request with the same key: %v", d)
	}
	h.ended(first.Id)
	if n := len(h.peer.requests()); n != 1 {
		t.Errorf("%d executions", n)
	}
}

func TestAgentCallsTool(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	script := scripted.Script{Turns: []scripted.Turn{
		{Calls: []scripted.Call{{Name: "shop.get", Arguments: []byte(`{"id":"A-17"}`)}}},
		{Text: "it is fine"},
	}}
	mock := scripted.Serve(ln, script)
	t.Cleanup(func() { _ = mock.Close() })
	h := build(t, t.TempDir(), shop(), func(c *Config) {
		c.Models = llm.Catalog{"mock": {Dialect: llm.DialectOpenAI, BaseURL: mock.URL()}}
	})
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "helper", Words: "how is A-17?"})
	if err != nil {
		t.Fatal(err)
	}
	got := h.ended(run.Id)
	if got.State != task.Done || string(got.Output) != `"it is fine"` {
		t.Fatalf("%s %s %v", got.State, got.Output, got.Error)
	}
	if k := kinds(h.events(run.Id, 0)); k != "accepted started agent.turn model.reply tool.call tool.result agent.turn model.reply ended" {
		t.Errorf("events: %s", k)
	}
	all, err := h.inner.List(t.Context(), 0, "", "")
	if err != nil || len(all) != 2 || all[0].Parent != got.ID && all[1].Parent != got.ID {
		t.Errorf("the tool call is a child run: %v %v", all, err)
	}
}

func TestLive(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	run, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	url := h.url + "/v1/runs/" + run.Id + "/events"
	c, _, err := websocket.Dial(t.Context(), url+"?after=1", &websocket.DialOptions{Subprotocols: []string{"bearer." + secretWord}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		_, raw, err := c.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("closed with %v", err)
			}
			break
		}
		got = append(got, string(raw))
	}
	if len(got) != 3 || !strings.Contains(got[0], `"seq":2`) || !strings.Contains(got[2], `"kind":"ended"`) {
		t.Errorf("websocket: %q", got)
	}

	req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+secretWord)
	req.Header.Set("Last-Event-ID", "2")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if s := string(body); !strings.Contains(s, "id: 3\nevent: log\n") || strings.Contains(s, "id: 2\n") || !strings.Contains(s, "event: ended") {
		t.Errorf("server-sent events: %s", s)
	}
}

func TestDoor(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	for _, c := range []struct {
		shows, method, path, auth, origin string
		want                              int
	}{
		{"health is open", "GET", "/healthz", "", "", 200},
		{"ready when quiltd answers", "GET", "/readyz", "", "", 200},
		{"grpc health over JSON", "POST", "/grpc.health.v1.Health/Check", "", "", 200},
		{"no credential", "POST", "/aria.v1.SystemService/Info", "", "", 401},
		{"a wrong credential", "POST", "/aria.v1.SystemService/Info", "Bearer x", "", 401},
		{"the right one", "POST", "/aria.v1.SystemService/Info", "Bearer " + secretWord, "", 200},
		{"reflection is closed too", "POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "", "", 401},
		{"events need it", "GET", "/v1/runs/run_x/events", "", "", 401},
		{"another page's script", "POST", "/aria.v1.SystemService/Info", "Bearer " + secretWord, "http://evil.example", 403},
		{"nothing there", "GET", "/nope", "Bearer " + secretWord, "", 404},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), c.method, h.url+c.path, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		if c.auth != "" {
			req.Header.Set("Authorization", c.auth)
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %d %s", c.shows, res.StatusCode, body)
		}
	}
}

// smallDisk is a file system of 8 MiB. Mounting needs root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill takes all the space that is left; lift gives it back.
func fill(t *testing.T, dir string) (lift func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	f.Close()
	return func() { _ = os.Remove(path) }
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	h := build(t, dir, shop(), nil)
	h.upload("1.0.0")
	going, err := h.start(&ariav1.StartRequest{Unit: "shop.hang", Input: []byte(`{"id":"A"}`)})
	if err != nil {
		t.Fatal(err)
	}
	h.reaches(going.Id, "started") // what it has to write is written
	lift := fill(t, dir)
	_, err = h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"` + strings.Repeat("x", 1<<20) + `"}`)})
	if d := detail(t, err); d.Code != "exhausted" || !strings.Contains(d.Message, "disk is full") || d.Hint == "" {
		t.Errorf("start on a full disk: %v", d)
	}
	_, err = h.bundle.Upload(t.Context(), connect.NewRequest(&ariav1.UploadRequest{Bundle: pack2(t, "2.0.0")}))
	if d := detail(t, err); d.Code != "exhausted" || d.Hint == "" {
		t.Errorf("upload on a full disk: %v", d)
	}
	lift()
	if _, err := h.inner.Cancel(t.Context(), task.ID(going.Id), ""); err != nil {
		t.Error(err)
	}
	if got := h.ended(going.Id); got.State != task.Cancelled {
		t.Errorf("the other run: %s %v", got.State, got.Error)
	}
	run, err := h.start(&ariav1.StartRequest{Unit: "shop.get", Input: []byte(`{"id":"A"}`)})
	if err != nil || h.ended(run.Id).State != task.Done {
		t.Errorf("with space again: %v", err)
	}
}
