package daemon

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// The test binary is quiltd too: the launcher re-executes whatever it is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" || os.Getenv("QUILTD_TEST") == "1" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// pair is a running quiltd, launcher and engine.
type pair struct {
	quiltv1.QuiltServiceClient
	cmd  *exec.Cmd
	conn *grpc.ClientConn
	data string
}

// dataDir is a folder that the engine's user can pass through.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "quiltd")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func startPair(t testing.TB, data string, flags ...string) *pair {
	t.Helper()
	return startBinary(t, "/proc/self/exe", data, flags...)
}

// startBinary starts the quiltd that lies at path.
func startBinary(t testing.TB, path, data string, flags ...string) *pair {
	t.Helper()
	testenv.NeedRoot(t)
	p, said := startCommand(t, quiltdCommand(t, path, data, flags...), data)
	if p == nil {
		t.Fatalf("quiltd did not start:\n%s", said)
	}
	return p
}

// quiltdCommand runs the quiltd that lies at path.
func quiltdCommand(t testing.TB, path, data string, flags ...string) *exec.Cmd {
	cmd := exec.Command(path, append([]string{"-data", data}, flags...)...)
	switch image := testenv.Image(); {
	case slices.Contains(flags, "-bun"): // it is to make its own image
	case image != "":
		cmd.Args = append(cmd.Args, "-image", image)
	default:
		cmd.Args = append(cmd.Args, "-bun", testenv.Bun(t))
	}
	cmd.Env = append(os.Environ(), "QUILTD_TEST=1")
	return cmd
}

// startCommand returns when cmd, a quiltd, is ready, and what it said until then.
// Without a pair it has ended.
func startCommand(t testing.TB, cmd *exec.Cmd, data string, o ...grpc.DialOption) (*pair, string) {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	var seen strings.Builder
	for {
		line, err := lines.ReadString('\n')
		seen.WriteString(line)
		if strings.Contains(line, "quiltd ready") {
			break
		}
		if err != nil {
			cmd.Wait()
			return nil, seen.String()
		}
	}
	go io.Copy(os.Stderr, lines)
	conn, err := grpc.NewClient("unix:"+filepath.Join(data, "run", "quilt.sock"), append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{QuiltServiceClient: quiltv1.NewQuiltServiceClient(conn), cmd: cmd, conn: conn, data: data}
	t.Cleanup(func() { p.stop(t) })
	return p, seen.String()
}

func (p *pair) stop(t testing.TB) {
	if p.cmd == nil {
		return
	}
	p.conn.Close()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("quiltd ended with %v", err)
	}
	p.cmd = nil
}

// unit is user code: the body of async method run(a, b) of a class.
func unit(body string) *quiltv1.Code {
	code := `const host = globalThis[Symbol.for("aria.host")];
export class Unit { async run(a, b) { ` + body + ` } }`
	return &quiltv1.Code{
		Files: []*quiltv1.File{{Path: "code/unit.js", Content: []byte(code)}},
		Entry: "code/unit.js", Export: "Unit", Method: "run",
	}
}

// ran is all that one execution reported.
type ran struct {
	order   []string
	queued  *quiltv1.Queued
	started *quiltv1.Started
	logs    []*quiltv1.Log
	result  string
	ended   *quiltv1.Ended
}

// execute sends one request and reads the answers.
func (p *pair) execute(ctx context.Context, r *quiltv1.ExecuteRequest, o ...grpc.CallOption) (quiltv1.QuiltService_ExecuteClient, error) {
	stream, err := p.Execute(ctx, o...)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(r); err != nil && err != io.EOF {
		return nil, err
	}
	return stream, nil
}

func (p *pair) run(ctx context.Context, r *quiltv1.ExecuteRequest) (ran, error) {
	return p.watch(ctx, r, func(*quiltv1.ExecuteResponse) {})
}

// watch is run that also shows each answer as it comes.
func (p *pair) watch(ctx context.Context, r *quiltv1.ExecuteRequest, show func(*quiltv1.ExecuteResponse)) (ran, error) {
	var out ran
	if r.Unit == "" {
		r.Unit = "test.unit"
	}
	// What a unit may take when it names no limit is too little on a slow machine.
	if usual := time.Minute; testenv.Patience(usual) > usual && r.GetLimits().GetWallMs() == 0 {
		if r.Limits == nil {
			r.Limits = &quiltv1.Limits{}
		}
		r.Limits.WallMs = testenv.Patience(usual).Milliseconds()
	}
	stream, err := p.execute(ctx, r)
	if err != nil {
		return out, err
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		show(m)
		switch e := m.Event.(type) {
		case *quiltv1.ExecuteResponse_Queued:
			out.queued, out.order = e.Queued, append(out.order, "queued")
		case *quiltv1.ExecuteResponse_Started:
			out.started, out.order = e.Started, append(out.order, "started")
		case *quiltv1.ExecuteResponse_Log:
			out.logs = append(out.logs, e.Log)
		case *quiltv1.ExecuteResponse_Result:
			out.result, out.order = string(e.Result.Value), append(out.order, "result")
		case *quiltv1.ExecuteResponse_Ended:
			out.ended, out.order = e.Ended, append(out.order, "ended")
		}
	}
}

func (p *pair) must(t *testing.T, r *quiltv1.ExecuteRequest) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience(60*time.Second))
	defer cancel()
	out, err := p.run(ctx, r)
	if err != nil {
		t.Fatalf("%s: %v", r.Execution, err)
	}
	return out
}
