package api

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

type system struct{ s *server }

func (y system) Info(ctx context.Context, _ *connect.Request[ariav1.InfoRequest]) (*connect.Response[ariav1.InfoResponse], error) {
	out := &ariav1.InfoResponse{Version: y.s.Version, StartedUnixMs: y.s.Started.UnixMilli(), Pid: int64(os.Getpid()),
		Goroutines: int64(runtime.NumGoroutine()), OpenFiles: openFiles(), ResidentBytes: resident(),
		RunsOpen: int64(y.s.Tasks.Open())}
	isolation, err := y.s.quilt(ctx)
	if out.QuiltReady, out.Isolation = err == nil, isolation; err != nil {
		out.QuiltProblem = y.s.face("Info", err).Message
	} else if p, err := y.s.Engine.Policy(ctx); err == nil {
		out.PolicyFile, out.PolicyProblem = p.File, p.Problem
	}
	return connect.NewResponse(out), nil
}

func (s *server) quilt(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.Quilt(ctx)
}

func openFiles() int64 {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return int64(len(names) - 1) // without d itself
}

func resident() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

const healthService = "grpc.health.v1.Health"

// health answers without a credential, and says no more than yes or no.
func (s *server) health(mux *http.ServeMux, opts ...connect.HandlerOption) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.quilt(r.Context()); err != nil {
			http.Error(w, "quiltd is not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.Handle("/"+healthService+"/Check", connect.NewUnaryHandler("/"+healthService+"/Check",
		func(ctx context.Context, r *connect.Request[healthpb.HealthCheckRequest]) (*connect.Response[healthpb.HealthCheckResponse], error) {
			st, err := s.serving(ctx, r.Msg.Service)
			return connect.NewResponse(&healthpb.HealthCheckResponse{Status: st}), err
		}, opts...))
	mux.Handle("/"+healthService+"/Watch", connect.NewServerStreamHandler("/"+healthService+"/Watch", s.watchHealth, opts...))
}

func (s *server) serving(ctx context.Context, service string) (healthpb.HealthCheckResponse_ServingStatus, error) {
	if service != "" && !strings.HasPrefix(service, "aria.v1.") {
		return 0, fault.New(fault.NotFound, "no service %.80q", service)
	}
	if _, err := s.quilt(ctx); err != nil {
		return healthpb.HealthCheckResponse_NOT_SERVING, nil
	}
	return healthpb.HealthCheckResponse_SERVING, nil
}

// watchHealth looks once a second and tells of changes.
func (s *server) watchHealth(ctx context.Context, r *connect.Request[healthpb.HealthCheckRequest], out *connect.ServerStream[healthpb.HealthCheckResponse]) error {
	ctx, done := s.watching(ctx)
	defer done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		st, err := s.serving(ctx, r.Msg.Service)
		if err != nil {
			return err
		}
		if st != last {
			if err := out.Send(&healthpb.HealthCheckResponse{Status: st}); err != nil {
				return err
			}
			last = st
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
