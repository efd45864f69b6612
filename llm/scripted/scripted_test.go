package scripted

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func serve(t *testing.T, s Script) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := Serve(ln, s)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

func ask(t *testing.T, s *Server, body string) (int, string) {
	t.Helper()
	res, err := http.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.String()
}

const hello = `{"model":"m","messages":[{"role":"user","content":"hello"}]}`

func TestScript(t *testing.T) {
	s, err := Read(strings.NewReader(`{"turns":[
		{"expect":{"contains":["hello"]},"text":"one"},
		{"calls":[{"name":"orders.get","arguments":{"id":"A"}}]},
		{"expect":{"contains":["goodbye"]},"text":"three"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, s)
	if code, body := ask(t, srv, hello); code != 200 || !strings.Contains(body, `"content":"one"`) || !strings.Contains(body, `"finish_reason":"stop"`) {
		t.Errorf("first: %d %s", code, body)
	}
	if srv.Err() == nil {
		t.Error("turns are left, and Err says nothing")
	}
	if _, body := ask(t, srv, hello); !strings.Contains(body, `"name":"orders.get"`) || !strings.Contains(body, `tool_calls`) {
		t.Errorf("second: %s", body)
	}
	if code, body := ask(t, srv, hello); code != 400 || !strings.Contains(body, `expected \"goodbye\"`) {
		t.Errorf("what was not expected: %d %s", code, body)
	}
	if code, _ := ask(t, srv, hello); code != 400 || srv.Err() == nil || !strings.Contains(srv.Err().Error(), "request 3") {
		t.Errorf("beyond the script: %d, %v", code, srv.Err())
	}
	if n := len(srv.Requests()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

func TestReadRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, err := Read(strings.NewReader(`{"turns":[{"say":"hi"}]}`)); err == nil || !strings.Contains(err.Error(), `"say"`) {
		t.Errorf("got %v", err)
	}
}

func TestForever(t *testing.T) {
	srv := serve(t, Script{Forever: true, Turns: []Turn{{Text: "again"}}})
	for range 3 {
		if code, body := ask(t, srv, hello); code != 200 || !strings.Contains(body, "again") {
			t.Errorf("%d %s", code, body)
		}
	}
	if err := srv.Err(); err != nil {
		t.Error(err)
	}
}
