package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/quilt/api"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// served is quiltd's port with its real engine and audit, without containers.
type served struct {
	client *tokenapi.Client
	engine *engine.Engine
	path   string
	end    func()
}

func serve() (*served, error) {
	dir, err := os.MkdirTemp("", "bench-tokens")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	audit, err := engine.OpenAudit(dir, log)
	if err != nil {
		return nil, err
	}
	eng := engine.New(engine.Config{Epoch: 1, Audit: audit, Log: log, Services: []broker.Service{{Scheme: "kv"}}})
	srv := api.New(api.Config{Engine: eng, UIDs: []uint32{uint32(os.Getuid())}})
	path := filepath.Join(dir, "quilt.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	go func() { _ = srv.Serve(l) }()
	client, err := tokenapi.Dial(path)
	if err != nil {
		return nil, err
	}
	return &served{client, eng, path, func() {
		_ = client.Close()
		srv.Stop(time.Second)
		_ = audit.Close()
		_ = os.RemoveAll(dir)
	}}, nil
}

// socketRows measure a grant and its release over the Unix socket beside the
// cheapest call gRPC can make there, in turns.
func socketRows(n int) ([]row, error) {
	s, err := serve()
	if err != nil {
		return nil, err
	}
	defer s.end()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	session, err := s.client.OpenSession(ctx, tokenapi.SessionRequest{ID: "bench", Unit: "bench", Tokens: []string{"kv:orders:rw", "llm:openai:gpt4#4"}})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	conn, err := grpc.NewClient("unix:"+s.path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	health := healthpb.NewHealthClient(conn)
	grants, calls := make([]float64, 0, n), make([]float64, 0, n)
	for range n {
		began := time.Now()
		g, err := session.Acquire(ctx, []string{"kv:orders:rw"}, tokenapi.Spend{}, nil)
		if err != nil {
			return nil, fmt.Errorf("acquire: %w", err)
		}
		g.Release(tokenapi.Spend{})
		grants = append(grants, float64(time.Since(began).Nanoseconds())/1000)
		began = time.Now()
		if _, err := health.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
			return nil, err
		}
		calls = append(calls, float64(time.Since(began).Nanoseconds())/1000)
	}
	slices.Sort(grants)
	slices.Sort(calls)
	return []row{
		{"grant + release over the socket, p50", grants[n/2], "µs", 60, fmt.Sprintf("audited; %d, p99 %.0f µs", n, grants[n*99/100])},
		{"a bare gRPC call over the socket, p50", calls[n/2], "µs", 0, fmt.Sprintf("in turns with it; p99 %.0f µs", calls[n*99/100])},
	}, nil
}
