package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ariacomputecompany/firmware/aria/api"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/llm"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// peer speaks quilt.v1 over a real Unix socket, without containers: what a unit
// "does" is a Go function by name.
type peer struct {
	quiltv1.UnimplementedQuiltServiceServer
	mu   sync.Mutex
	seen []*quiltv1.ExecuteRequest

	leased   []string // by sessions
	released int
	do       map[string]func(ctx context.Context, s *stream) *quiltv1.Ended
}

type stream struct {
	quiltv1.QuiltService_ExecuteServer
	req *quiltv1.ExecuteRequest
}

func (s *stream) log(text string) {
	_ = s.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Log{Log: &quiltv1.Log{Level: "info", Text: text}}})
}

func (s *stream) result(json string) *quiltv1.Ended {
	_ = s.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Result{Result: &quiltv1.Result{Value: []byte(json)}}})
	return &quiltv1.Ended{Reason: "done", Usage: &quiltv1.Usage{WallUs: 7}}
}

func (p *peer) Execute(out quiltv1.QuiltService_ExecuteServer) error {
	r, err := out.Recv()
	if err != nil {
		return err
	}
	if r.Attach {
		return status.Error(codes.NotFound, "no execution is live")
	}
	p.mu.Lock()
	p.seen = append(p.seen, r)
	p.mu.Unlock()
	_ = out.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Started{Started: &quiltv1.Started{Start: "cold", Isolation: "full", Fence: 3}}})
	end := p.do[r.Unit](out.Context(), &stream{out, r})
	return out.Send(&quiltv1.ExecuteResponse{Event: &quiltv1.ExecuteResponse_Ended{Ended: end}})
}

// Session grants whatever is asked for, and remembers what.
func (p *peer) Session(s quiltv1.QuiltService_SessionServer) error {
	for {
		m, err := s.Recv()
		if err != nil {
			return nil
		}
		answer := &quiltv1.SessionResponse{}
		switch a := m.Ask.(type) {
		case *quiltv1.SessionRequest_Open:
			answer.Answer = &quiltv1.SessionResponse_Opened{Opened: &quiltv1.SessionOpened{}}
		case *quiltv1.SessionRequest_Acquire:
			p.mu.Lock()
			p.leased = append(p.leased, a.Acquire.Tokens...)
			p.mu.Unlock()
			answer.Answer = &quiltv1.SessionResponse_Granted{Granted: &quiltv1.SessionGranted{Id: a.Acquire.Id, Fence: 1}}
		case *quiltv1.SessionRequest_Release:
			p.mu.Lock()
			p.released++
			p.mu.Unlock()
			continue
		}
		if err := s.Send(answer); err != nil {
			return err
		}
	}
}

func (p *peer) Status(context.Context, *quiltv1.StatusRequest) (*quiltv1.StatusResponse, error) {
	return &quiltv1.StatusResponse{Isolation: "full", Cgroup: "v1"}, nil
}

// requests are the executions that were asked for so far.
func (p *peer) requests() []*quiltv1.ExecuteRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*quiltv1.ExecuteRequest(nil), p.seen...)
}

func (p *peer) serve(t *testing.T, socket string) *grpc.Server {
	t.Helper()
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	quiltv1.RegisterQuiltServiceServer(srv, p)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	return srv
}

func hang(ctx context.Context, s *stream) *quiltv1.Ended {
	<-ctx.Done()
	return &quiltv1.Ended{Reason: "killed"}
}

// house is a whole ariad with a peer, on a data folder that outlives it.
type house struct {
	t      *testing.T
	dir    string
	url    string
	peer   *peer
	quilt  *grpc.Server
	tasks  ariav1connect.TaskServiceClient
	bundle ariav1connect.BundleServiceClient
	units  ariav1connect.RegistryServiceClient
	inner  *task.Tasks
	stop   func()
}

const secretWord = "0123456789abcdef0123456789abcdef"

func bearing(t *testing.T) connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("Authorization", "Bearer "+secretWord)
			return next(ctx, r)
		}
	}))
}

func build(t *testing.T, dir string, p *peer, change func(*Config)) *house {
	t.Helper()
	h := &house{t: t, dir: dir, peer: p}
	cfg := defaults()
	cfg.Data, cfg.Socket = dir, filepath.Join(dir, "q.sock")
	cfg.Models = llm.DefaultCatalog()
	if change != nil {
		change(&cfg)
	}
	if p != nil {
		h.quilt = p.serve(t, cfg.Socket)
	}
	db, err := open(filepath.Join(dir, "aria.db"))
	if err != nil {
		t.Fatal(err)
	}
	quilt, err := tokenapi.Dial(cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	streams, cut := context.WithCancel(t.Context())
	handler, tasks, started, err := assemble(streams, cfg, db, quilt, secretWord, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := tasks.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	go started.Run(streams)
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = api.Server(handler, testLog(t))
	srv.Start()
	h.url, h.inner = srv.URL, tasks
	h.tasks = ariav1connect.NewTaskServiceClient(srv.Client(), srv.URL, bearing(t))
	h.bundle = ariav1connect.NewBundleServiceClient(srv.Client(), srv.URL, bearing(t))
	h.units = ariav1connect.NewRegistryServiceClient(srv.Client(), srv.URL, bearing(t))
	h.stop = sync.OnceFunc(func() {
		now, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		tasks.Close(now)
		cut()
		srv.CloseClientConnections()
		srv.Close()
		quilt.Close()
		db.Close()
		if h.quilt != nil {
			h.quilt.Stop()
		}
	})
	t.Cleanup(h.stop)
	return h
}

// sample is a bundle of a few tools and an agent.
func sample(version string) (*bundle.Manifest, map[string][]byte) {
	object := func(s string) json.RawMessage { return json.RawMessage(s) }
	tool := func(name string, more func(*bundle.Unit)) bundle.Unit {
		u := bundle.Unit{Name: name, Kind: bundle.Tool, Entry: &bundle.Entry{Code: "code/shop.js", Export: "Shop", Method: "run"},
			Params: []string{"id", "cents", "when"}, Tokens: []string{"kv:orders:rw"},
			Input: object(`{"type":"object","properties":{"id":{"type":"string"},"cents":{"type":"integer","minimum":0,"default":5},
				"when":{"type":"string","format":"date-time","x-aria-type":"date"}},"required":["id"],"additionalProperties":false}`),
			Output: object(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`),
			Place:  bundle.Place{File: "src/shop.ts", Line: 3, Col: 2}}
		if more != nil {
			more(&u)
		}
		return u
	}
	m := &bundle.Manifest{Aria: "1", Name: "shop", Version: version,
		Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"},
		Units: []bundle.Unit{
			tool("shop.get", nil), tool("shop.bad", nil), tool("shop.fail", nil), tool("shop.hang", nil),
			tool("shop.flaky", func(u *bundle.Unit) { u.Retries = 2 }),
			{Name: "helper", Kind: bundle.Agent, Agent: &bundle.AgentSpec{Model: "mock:any", Tools: []string{"shop.get", "shop.hang"}},
				Input:  object(`{"type":"object","properties":{"request":{"type":"string"}},"required":["request"]}`),
				Output: object(`{"type":"string"}`)},
			{Name: "crew", Kind: bundle.Team, Team: &bundle.TeamSpec{Members: []string{"helper"}, Mode: "handoff"},
				Input: object(`{"type":"object"}`), Output: object(`{}`)},
		}}
	return m, map[string][]byte{"code/shop.js": []byte("import './chunk-a.js';\nexport class Shop {}\n"),
		"code/chunk-a.js": []byte("export {}\n"), "code/other.js": []byte("export {}\n")}
}

func pack(t *testing.T, m *bundle.Manifest, files map[string][]byte) []byte {
	t.Helper()
	data, _, err := bundle.Pack(m, files)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (h *house) upload(version string) {
	h.t.Helper()
	_, err := h.bundle.Upload(h.t.Context(), connect.NewRequest(&ariav1.UploadRequest{Bundle: pack2(h.t, version)}))
	if err != nil {
		h.t.Fatal(err)
	}
}

func pack2(t *testing.T, version string) []byte {
	m, files := sample(version)
	return pack(t, m, files)
}

func (h *house) start(r *ariav1.StartRequest) (*ariav1.Run, error) {
	res, err := h.tasks.Start(h.t.Context(), connect.NewRequest(r))
	if err != nil {
		return nil, err
	}
	return res.Msg.Run, nil
}

// ended waits for the run's end.
func (h *house) ended(id string) task.Run {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	if err := h.inner.Watch(ctx, task.ID(id), 0, func([]task.Event) error { return nil }); err != nil {
		h.t.Fatalf("run %s: %v", id, err)
	}
	r, err := h.inner.Get(ctx, task.ID(id))
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// events are all of a run's.
func (h *house) events(id string, after uint64) (out []task.Event) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	err := h.inner.Watch(ctx, task.ID(id), after, func(evs []task.Event) error { out = append(out, evs...); return nil })
	if err != nil {
		h.t.Fatalf("events of %s: %v", id, err)
	}
	return out
}

// reaches waits until the run's journal has an event of that kind.
func (h *house) reaches(run, kind string) {
	h.t.Helper()
	seen := errors.New("seen")
	err := h.inner.Watch(h.t.Context(), task.ID(run), 0, func(events []task.Event) error {
		for _, e := range events {
			if e.Kind == kind {
				return seen
			}
		}
		return nil
	})
	if !errors.Is(err, seen) {
		h.t.Fatalf("%s never had an event %q: %v", run, kind, err)
	}
}
