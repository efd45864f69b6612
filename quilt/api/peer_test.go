package api

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// The test binary is also the client that connects as another user.
func TestMain(m *testing.M) {
	if path := os.Getenv("QUILT_DIAL"); path != "" {
		fmt.Println(dial(path))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func dial(path string) string {
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err.Error()
	}
	return r.Status.String()
}

func TestOnlyAllowedUsersConnect(t *testing.T) {
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("", "quilt-api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	// Anyone may open the socket here: it is the peer check that has to refuse.
	for _, p := range []string{dir, path} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	s := New(Config{UIDs: []uint32{64101}})
	go s.Serve(l)
	defer s.Stop(time.Second)
	for _, test := range []struct {
		uid  uint32
		want bool
	}{{0, true}, {64101, true}, {64199, false}} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{"QUILT_DIAL=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: test.uid, Gid: test.uid}}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if serving := strings.TrimSpace(string(out)) == "SERVING"; serving != test.want {
			t.Errorf("user %d: %s", test.uid, out)
		}
	}
}
