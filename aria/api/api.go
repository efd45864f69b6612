// Package api is the public port: the services of proto/aria/v1 as gRPC,
// gRPC-Web and HTTP+JSON, a run's events over WebSocket and server-sent events,
// reflection and health, and the OCI registry that it is handed. It checks the
// caller, turns messages into calls of the rooms behind it and errors into
// replies; it decides nothing else.
//
// Deny by default: without the credential only /healthz, /readyz and
// grpc.health.v1 answer.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/replay"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/trigger"
	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

// Deps is what the port stands on.
type Deps struct {
	Registry   *registry.Registry
	Tasks      *task.Tasks
	Credential string // what callers must bear
	// Quilt says how the other daemon is; the error is what to show when it is
	// not ready.
	Quilt  func(ctx context.Context) (isolation string, err error)
	Engine Engine // the other daemon's tokens; nil: it has none
	// Models asks the providers of models, each at most timeout.
	Models   func(ctx context.Context, timeout time.Duration) *ariav1.ListModelsResponse
	Version  string
	Started  time.Time
	Firmware string // socket of firmware/control; empty where this is not our image
	Log      *slog.Logger
	// Secrets is the other daemon's store of credentials.
	Secrets Secrets
	Backup  Backup
	// Counted are more figures for monitoring; nil: there are none.
	Counted func() []Figure
	// Replay plays recorded runs again.
	Replay *replay.Player
	// OCI serves the bundles as an OCI registry under /v2/; nil: it does not.
	OCI http.Handler
	// Triggers start units by schedule, by event and over HTTP.
	Triggers *trigger.Triggers
	// Verify says whether mac is the HMAC-SHA256 of message under a secret.
	Verify func(ctx context.Context, secret string, message, mac []byte) (bool, error)
}

type server struct {
	Deps
	stop    context.Context // ends when streams must
	refusal *connect.ErrorWriter
}

// Body limits. A bundle has at most 64 MiB.
const (
	maxUpload  = 64<<20 + 64<<10
	maxRequest = 8 << 20
)

// New is the port's handler. Streams end when stop does; clients resume them by
// sequence number.
func New(stop context.Context, d Deps) http.Handler {
	s := &server{Deps: d, stop: stop}
	if s.Engine == nil {
		s.Engine = noEngine{}
	}
	opts := []connect.HandlerOption{
		connect.WithInterceptors(replies{s}),
		connect.WithCodec(jsonCodec{"json"}), connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
		connect.WithRecover(s.recovered),
		connect.WithReadMaxBytes(maxRequest),
	}
	s.refusal = connect.NewErrorWriter(opts...)
	mux := http.NewServeMux()
	mux.Handle(ariav1connect.NewBundleServiceHandler(bundles{s}, append(opts, connect.WithReadMaxBytes(maxUpload))...))
	mux.Handle(ariav1connect.NewRegistryServiceHandler(units{s}, opts...))
	mux.Handle(ariav1connect.NewTaskServiceHandler(tasks{s}, opts...))
	mux.Handle(ariav1connect.NewSystemServiceHandler(system{s}, opts...))
	mux.Handle(ariav1connect.NewFirmwareServiceHandler(updates{s}, opts...))
	mux.Handle(ariav1connect.NewModelServiceHandler(providers{s}, opts...))
	mux.Handle(ariav1connect.NewSecretServiceHandler(secrets{s}, opts...))
	mux.Handle(ariav1connect.NewOperationServiceHandler(operations{s: s}, append(opts, connect.WithReadMaxBytes(maxUpload))...))
	mux.Handle(ariav1connect.NewTriggerServiceHandler(triggers{s}, opts...))
	names := []string{ariav1connect.OperationServiceName, ariav1connect.TriggerServiceName, ariav1connect.SecretServiceName, ariav1connect.FirmwareServiceName, ariav1connect.ModelServiceName, ariav1connect.BundleServiceName, ariav1connect.RegistryServiceName,
		ariav1connect.TaskServiceName, ariav1connect.SystemServiceName, healthService}
	mux.Handle(grpcreflect.NewHandlerV1(grpcreflect.NewStaticReflector(names...), opts...))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(grpcreflect.NewStaticReflector(names...), opts...))
	mux.HandleFunc("GET /v1/runs/{id}/events", s.events)
	mux.HandleFunc("GET /metrics", s.metrics)
	if d.OCI != nil {
		mux.Handle(ociPrefix, d.OCI)
	}

	open := http.NewServeMux()
	s.health(open, opts...)
	open.Handle("/", s.guard(mux))
	open.HandleFunc(hookPrefix, s.hook)
	return s.bound(open)
}

// bodyTime is how long a request's body may take. Watching goes on for as long
// as it likes: its body is empty or sent at once.
const bodyTime = 2 * time.Minute

// bound refuses what other pages' scripts send, and slow bodies.
func (s *server) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o := r.Header.Get("Origin"); o != "" && !sameOrigin(o, r.Host) {
			s.refuse(w, r, fault.New(fault.Denied, "requests from %.100q are not served here", o).
				WithHint("only pages of this very address may call it"))
			return
		}
		if strings.HasSuffix(r.URL.Path, "/Watch") || strings.HasSuffix(r.URL.Path, "/WatchTokens") || strings.HasSuffix(r.URL.Path, "/Tail") || r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(time.Now().Add(bodyTime))
		next.ServeHTTP(w, r)
	})
}

func sameOrigin(origin, host string) bool {
	_, at, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(at, host)
}

// Server has the settings that keep a slow or silent client from holding a connection.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, Protocols: p, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 256, SendPingTimeout: 30 * time.Second},
	}
}
