package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestDaemon runs the scripts that need ariad and quiltd, against one pair that
// they share: each script uses its own project name.
func TestDaemon(t *testing.T) {
	pair := needPair(t)
	p := params("testdata/daemon")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		examples, err := filepath.Abs("../examples")
		if err != nil {
			return err
		}
		env.Setenv("EXAMPLES", examples)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	// The scripts are parallel subtests: the group ends before the pair stops.
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

// needPair skips where no container can run and starts a pair elsewhere.
func needPair(t *testing.T) pair {
	t.Helper()
	testenv.NeedRoot(t)
	return startPair(t)
}

// pair is a running ariad and quiltd.
type pair struct {
	server, credential string
}

var readyLine = regexp.MustCompile(`(?m)^aria ready +(http://\S+) +credential (\S+)$`)

// startPair starts "ariad up" on a free port with a fresh data folder and stops
// it at the end of the test. Its log is shown if the test fails.
func startPair(t *testing.T) pair {
	t.Helper()
	data, err := os.MkdirTemp("", "aria-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	if err := os.Chmod(data, 0o755); err != nil { // the daemons have users of their own
		t.Fatal(err)
	}
	out := &watched{}
	cmd := exec.Command(filepath.Join(binDir, "ariad"), "up", "--data", data, "--listen", freeAddress(t), "--bun", testenv.Bun(t))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stopPair(t, cmd, ended, out) })
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if m := readyLine.FindStringSubmatch(out.String()); m != nil {
			return pair{server: m[1], credential: m[2]}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("ariad up ended before it was ready: %v\n%s", err, out)
		default:
		}
	}
	t.Fatalf("ariad up was not ready within 30 s\n%s", out)
	return pair{}
}

func stopPair(t *testing.T, cmd *exec.Cmd, ended chan error, out fmt.Stringer) {
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ariad up after SIGTERM: %v", err)
		}
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		t.Error("ariad up did not stop within 30 s of SIGTERM")
	}
	if t.Failed() {
		t.Logf("log of ariad up:\n%s", out)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// watched is a buffer that one goroutine fills while another reads.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
