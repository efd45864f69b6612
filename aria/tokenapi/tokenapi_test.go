package tokenapi

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// peer speaks quilt.v1; what an execution does is handed in.
type peer struct {
	quiltv1.UnimplementedQuiltServiceServer
	execute func(*quiltv1.ExecuteRequest, quiltv1.QuiltService_ExecuteServer) error
}

func (p peer) Execute(s quiltv1.QuiltService_ExecuteServer) error {
	r, err := s.Recv()
	if err != nil {
		return err
	}
	return p.execute(r, s)
}

func dialed(t *testing.T, execute func(*quiltv1.ExecuteRequest, quiltv1.QuiltService_ExecuteServer) error) (*Client, *grpc.Server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	quiltv1.RegisterQuiltServiceServer(srv, peer{execute: execute})
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, srv
}

func none(Event) error { return nil }

func TestExecute(t *testing.T) {
	c, _ := dialed(t, func(r *quiltv1.ExecuteRequest, s quiltv1.QuiltService_ExecuteServer) error {
		if r.Execution != "x.1" || r.Limits.WallMs != 1500 || r.Code.Files[0].Path != "code/a.js" || string(r.Input) != "[1]" {
			t.Errorf("request: %v", r)
		}
		for _, m := range []*quiltv1.ExecuteResponse{
			{Event: &quiltv1.ExecuteResponse_Queued{Queued: &quiltv1.Queued{WaitsFor: []string{"kv:a:rw"}, HeldBy: []string{"y.1"}, Position: 1}}},
			{Event: &quiltv1.ExecuteResponse_Started{Started: &quiltv1.Started{Start: "cold", TookUs: 5, Fence: 9}}},
			{Event: &quiltv1.ExecuteResponse_Log{Log: &quiltv1.Log{Level: "info", Text: "hi", Fields: []byte(`{"a":1}`)}}},
			{Event: &quiltv1.ExecuteResponse_Result{Result: &quiltv1.Result{Value: []byte(`{"ok":true}`)}}},
			{Event: &quiltv1.ExecuteResponse_Ended{Ended: &quiltv1.Ended{Reason: "done", Usage: &quiltv1.Usage{CpuUs: 3}}}},
		} {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return nil
	})
	var got []Event
	end, err := c.Execute(t.Context(), Request{Execution: "x.1", Files: []File{{Path: "code/a.js"}}, Args: []byte("[1]"),
		Limits: Limits{Wall: 1500 * time.Millisecond}}, func(e Event) error { got = append(got, e); return nil })
	if err != nil || end.Reason != "done" || string(end.Result) != `{"ok":true}` || end.Usage.CPUUS != 3 || end.Error != nil {
		t.Errorf("%+v %v", end, err)
	}
	want := []Event{Queued{[]string{"kv:a:rw"}, []string{"y.1"}, 1}, Started{Start: "cold", Took: 5 * time.Microsecond, Fence: 9},
		Log{"info", "hi", []byte(`{"a":1}`)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFaults(t *testing.T) {
	denied, err := status.New(codes.PermissionDenied, "no").WithDetails(&quiltv1.Error{Code: "denied", Message: "kv:b is not yours", Hint: "ask for it"})
	if err != nil {
		t.Fatal(err)
	}
	ends := func(e *quiltv1.Ended) func(quiltv1.QuiltService_ExecuteServer) error {
		return func(s quiltv1.QuiltService_ExecuteServer) error {
			return s.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Ended{Ended: e}})
		}
	}
	for _, c := range []struct {
		shows   string
		do      func(quiltv1.QuiltService_ExecuteServer) error
		code    fault.Code
		message string
	}{
		{"a refusal keeps its words", func(quiltv1.QuiltService_ExecuteServer) error { return denied.Err() }, fault.Denied, "kv:b is not yours"},
		{"a refusal without words", func(quiltv1.QuiltService_ExecuteServer) error {
			return status.Error(codes.Internal, "db password is x")
		}, fault.Internal, "quiltd refused the execution"},
		{"a stream without an end", func(s quiltv1.QuiltService_ExecuteServer) error {
			return s.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Started{Started: &quiltv1.Started{}}})
		}, fault.Interrupted, "quiltd went away in the middle of the execution"},
		{"an end without a word why", ends(&quiltv1.Ended{Reason: "oom"}), fault.Internal, `the execution ended with reason "oom" and no word why`},
		{"made up codes are failed", ends(&quiltv1.Ended{Reason: "error", Error: &quiltv1.Error{Code: "root", Message: "m"}}), fault.Failed, "m"},
	} {
		cl, _ := dialed(t, func(_ *quiltv1.ExecuteRequest, s quiltv1.QuiltService_ExecuteServer) error {
			return c.do(s)
		})
		end, err := cl.Execute(t.Context(), Request{}, none)
		if err == nil {
			err = end.Error
		}
		f, ok := fault.As(err)
		if !ok || f.Code != c.code || f.Message != c.message || strings.Contains(f.Message+f.Hint, "password") {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

func TestLeavingKills(t *testing.T) {
	gone := make(chan struct{})
	c, _ := dialed(t, func(_ *quiltv1.ExecuteRequest, s quiltv1.QuiltService_ExecuteServer) error {
		_ = s.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Started{Started: &quiltv1.Started{}}})
		<-s.Context().Done()
		close(gone)
		return nil
	})
	stop := errors.New("enough")
	if _, err := c.Execute(t.Context(), Request{}, func(Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of emit: %v", err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the execution goes on")
	}
}

func TestNobodyThere(t *testing.T) {
	c, err := Dial(filepath.Join(t.TempDir(), "none.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, fault.New(fault.Timeout, "deadline"))
	defer cancel()
	if _, err := c.Execute(ctx, Request{}, none); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("the caller's own end counts: %v", err)
	}
	if _, err := c.Status(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("status: %v", err)
	}
}
