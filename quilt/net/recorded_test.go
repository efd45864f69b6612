package net

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// What makes a request the same when its unit is run again.
func TestEssence(t *testing.T) {
	of := func(a fetchArgs) string {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return string(essence("net.fetch", text))
	}
	base := fetchArgs{URL: "https://a.example/", Method: "POST", Body: "aGk="}
	traced := base
	traced.Headers, traced.Name, traced.Method = [][2]string{{"traceparent", "00-1"}}, 7, "post"
	if of(base) != of(traced) {
		t.Errorf("%s is not %s", of(base), of(traced))
	}
	for shows, other := range map[string]fetchArgs{
		"url":    {URL: "https://a.example/x", Method: "POST", Body: "aGk="},
		"method": {URL: "https://a.example/", Method: "PUT", Body: "aGk="},
		"body":   {URL: "https://a.example/", Method: "POST", Body: "aGo="},
		"parts":  {URL: "https://a.example/", Method: "POST", Parts: []int64{1}},
		"auth":   {URL: "https://a.example/", Method: "POST", Body: "aGk=", Auth: "secret:K:a.example:443:bearer"},
	} {
		if of(base) == of(other) {
			t.Errorf("another %s is the same request", shows)
		}
	}
	if got := string(essence("net.read", json.RawMessage(`{"stream":1}`))); got != `{"stream":1}` {
		t.Errorf("%s", got)
	}
}

// A request that its unit gives up ends outside too, and says so.
func TestGivenUp(t *testing.T) {
	began, gone := make(chan struct{}), make(chan struct{})
	f := newFixture(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(gone)
	})
	go func() {
		<-began
		c := f.call
		c.Args = json.RawMessage(`{"name":3}`)
		if _, err := f.svc.Ops["net.close"](t.Context(), c); err != nil {
			t.Error(err)
		}
	}()
	_, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Name: 3})
	if fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("%v", err)
	}
	<-gone
}

// The rest of an answer that another quiltd had is lost, and whether its request
// may be made again is said.
func TestLostAnswer(t *testing.T) {
	f := newFixture(t, func(http.ResponseWriter, *http.Request) {})
	for args, want := range map[string]fault.Code{`{"stream":5}`: fault.Uncertain, `{"stream":5,"again":true}`: fault.Interrupted} {
		c := f.call
		c.Args = json.RawMessage(args)
		if _, err := f.svc.Ops["net.read"](t.Context(), c); fault.CodeOf(err) != want {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// A body that no frame carries comes in parts, in the order in which they are named.
func TestParts(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %s %s", len(b), b[:1], b[len(b)-1:])
	})
	put := func(id int64, letter string, n int) error {
		c := f.call
		c.ID = id
		c.Args, _ = json.Marshal(partArgs{base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, n)))})
		_, err := f.svc.Ops["net.part"](t.Context(), c)
		return err
	}
	if err := put(2, "a", maxBody); err != nil {
		t.Fatal(err)
	}
	if err := put(3, "b", 10); err != nil {
		t.Fatal(err)
	}
	if _, body, err := f.fetch(t, fetchArgs{URL: f.url("/"), Method: "POST", Parts: []int64{2, 3}}); err != nil || body != fmt.Sprintf("%d a b", maxBody+10) {
		t.Errorf("%q, %v", body, err)
	}
	if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Method: "POST", Parts: []int64{2}}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a part is sent twice: %v", err)
	}
	var err error
	for id := int64(10); err == nil && id < 100; id++ {
		err = put(id, "c", maxBody)
	}
	if fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("%v", err)
	}
}

// What the gate offers itself is asked without a token of its own, streamed, and
// what breaks off there breaks off here.
func TestInward(t *testing.T) {
	f := newFixture(t, func(http.ResponseWriter, *http.Request) { t.Error("it went out") })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Path", r.URL.Path)
		fmt.Fprintf(w, "%s %s", r.Method, r.Header.Get("Idempotency-Key"))
		if r.URL.Path == "/openai/broken" {
			panic(http.ErrAbortHandler)
		}
	})
	e, err := New(Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.svc = e.Service(nil, "127.0.0.1:4180", func(broker.Call) http.Handler { return handler })
	f.call.Key = "run/1"
	got, body, err := f.fetch(t, fetchArgs{URL: "http://127.0.0.1:4180/openai/v1", Method: "POST"})
	if err != nil || body != "POST " || got.Status != 200 {
		t.Errorf("%+v %q %v", got, body, err)
	}
	if _, _, err := f.fetch(t, fetchArgs{URL: "http://127.0.0.1:4180/openai/broken"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if _, _, err := f.fetch(t, fetchArgs{URL: "https://127.0.0.1:4180/openai/v1"}); fault.CodeOf(err) != fault.Denied {
		t.Errorf("%v", err)
	}
}

// An execution is over when no handler of the gate's works for it any more.
func TestInwardEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		e, err := New(Config{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		svc := e.Service(nil, "127.0.0.1:4180", func(broker.Call) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "begun")
				<-r.Context().Done()
				ended = true
			})
		})
		c := broker.Call{Execution: "x", ID: 1, Args: json.RawMessage(`{"url":"http://127.0.0.1:4180/openai/v1"}`)}
		if _, err := svc.Ops["net.fetch"](context.Background(), c); err != nil {
			t.Error(err)
		}
		svc.Ended("x")
		if !ended {
			t.Error("a handler goes on")
		}
	})
}

// A handler whose answer nobody reads holds up neither the end of an execution nor
// its move to another quiltd.
func TestInwardUnread(t *testing.T) {
	for _, over := range []string{"ended", "left"} {
		synctest.Test(t, func(t *testing.T) {
			ended := false
			e, err := New(Config{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			svc := e.Service(nil, "127.0.0.1:4180", func(broker.Call) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					for err = nil; err == nil; {
						_, err = w.Write(make([]byte, 64<<10))
					}
					ended = true
				})
			})
			c := broker.Call{Execution: "x", ID: 1, Args: json.RawMessage(`{"url":"http://127.0.0.1:4180/openai/v1"}`)}
			if _, err := svc.Ops["net.fetch"](context.Background(), c); err != nil {
				t.Error(err)
			}
			if synctest.Wait(); over == "ended" {
				svc.Ended("x")
			} else if left := svc.Leave("x"); left != nil {
				t.Errorf("%v goes along", left)
			}
			if !ended {
				t.Errorf("%s: a handler goes on", over)
			}
		})
	}
}
