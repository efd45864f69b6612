// Package api serves the engine on a Unix socket: proto/quilt/v1 over gRPC,
// health and reflection. It checks who connects, turns messages into requests
// and faults into statuses, and does nothing else.
package api

import (
	"context"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// Code and input of one execution; more does not fit the harness protocol.
const maxRequest = 20 << 20

// Facts are what Status says beside the engine's own state.
type Facts struct {
	Version, Bun, Cgroup        string
	Epoch                       uint64
	LauncherPID                 int
	OpenFiles, Resident         int64 // of the engine
	LauncherFiles, LauncherSize int64
	Goroutines                  int
	PID                         int
	Parked                      int // containers that wait to be claimed
}

// Config of a Server.
type Config struct {
	Engine *engine.Engine
	// Secrets is the store of credentials.
	Secrets Secrets
	UIDs    []uint32 // who may connect; root always may
	Facts   func(ctx context.Context) (Facts, error)
	// Backup writes a tar of the data as it is at one moment after the call.
	Backup func(ctx context.Context, to io.Writer) error
}

// Server is the gRPC server.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
	// stopping ends calls that last as long as their caller likes.
	stopping context.Context
	stop     context.CancelFunc
}

// New makes a server that is not serving yet.
func New(cfg Config) *Server {
	s := &Server{health: health.NewServer()}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(
		grpc.Creds(peerCheck{uids: cfg.UIDs}),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.SharedWriteBuffer(true),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.StreamInterceptor(s.untilStop),
	)
	quiltv1.RegisterQuiltServiceServer(s.grpc, &service{cfg: cfg})
	quiltv1.RegisterSecretServiceServer(s.grpc, secrets{keep: cfg.Secrets})
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s
}

// Serve answers on l until Stop.
func (s *Server) Serve(l net.Listener) error {
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	return s.grpc.Serve(l)
}

// errStopping is what a call hears that would have lasted longer.
var errStopping = fault.New(fault.Unavailable, "quiltd is stopped or replaced").WithHint("ask again: where it is replaced, the next one is there in a moment")

// untilStop ends every stream at Stop but those of executions, which end as their
// executions do: each caller is to hear what became of its own.
func (s *Server) untilStop(service any, stream grpc.ServerStream, about *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if about.FullMethod == quiltv1.QuiltService_Execute_FullMethodName {
		return handle(service, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	err := handle(service, lasting{stream, ctx})
	if err != nil && s.stopping.Err() != nil {
		return reply(errStopping)
	}
	return err
}

// lasting is a stream with a context of its own.
type lasting struct {
	grpc.ServerStream
	ctx context.Context
}

func (l lasting) Context() context.Context { return l.ctx }

// Stop takes no new calls and returns when the answers of the running ones are
// out, or after wait.
func (s *Server) Stop(wait time.Duration) {
	s.stop()
	s.health.Shutdown()
	hard := time.AfterFunc(wait, s.grpc.Stop)
	defer hard.Stop()
	s.grpc.GracefulStop()
}

// Draining tells health checks that the end has begun.
func (s *Server) Draining() { s.health.Shutdown() }

type service struct {
	quiltv1.UnimplementedQuiltServiceServer
	cfg Config
}

func (s *service) Kill(_ context.Context, r *quiltv1.KillRequest) (*quiltv1.KillResponse, error) {
	if r.Execution == "" {
		return nil, reply(fault.New(fault.Invalid, "kill names no execution").WithHint("give the id of a live one"))
	}
	return &quiltv1.KillResponse{Found: s.cfg.Engine.Kill(r.Execution, r.Reason, r.Gentle)}, nil
}

func (s *service) Leases(context.Context, *quiltv1.LeasesRequest) (*quiltv1.LeasesResponse, error) {
	return holders(s.cfg.Engine.Leases()), nil
}

func (s *service) Watch(r *quiltv1.WatchRequest, stream quiltv1.QuiltService_WatchServer) error {
	return reply(s.cfg.Engine.Watch(stream.Context(), r.After, func(n engine.TokenNews) error {
		return stream.Send(news(n))
	}))
}

func (s *service) Status(ctx context.Context, _ *quiltv1.StatusRequest) (*quiltv1.StatusResponse, error) {
	f, err := s.cfg.Facts(ctx)
	if err != nil {
		return nil, reply(err)
	}
	p := s.cfg.Engine.Policy()
	return &quiltv1.StatusResponse{
		Tokens: counts(s.cfg.Engine.Counts()), PolicyFile: p.File, PolicyProblem: p.Problem,
		Version: f.Version, Epoch: f.Epoch, Isolation: s.cfg.Engine.Isolation(), Cgroup: f.Cgroup, Image: s.cfg.Engine.Image(),
		Bun: f.Bun, Executions: int64(s.cfg.Engine.Live()), Pid: int64(f.PID), LauncherPid: int64(f.LauncherPID),
		Goroutines: int64(f.Goroutines), OpenFiles: f.OpenFiles, ResidentBytes: f.Resident,
		LauncherOpenFiles: f.LauncherFiles, LauncherResidentBytes: f.LauncherSize, Parked: int64(f.Parked),
	}, nil
}
