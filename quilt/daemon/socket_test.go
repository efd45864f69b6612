package daemon

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// An engine that listens can stop at once, even though another one was started
// with the same socket in its hand meanwhile.
func TestStartingAnEngineDoesNotBlockTheOther(t *testing.T) {
	testenv.NeedRoot(t)
	f, err := listen(Config{Socket: filepath.Join(t.TempDir(), "s")})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // File.Fd, which starting a process calls, may change its mind once
		cmd := exec.Command("/proc/self/exe", "-test.run=^$")
		cmd.ExtraFiles = []*os.File{f}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	waits := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		waits <- err
	}()
	time.Sleep(50 * time.Millisecond)
	closed := make(chan struct{})
	go func() { l.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("the listener waits in the kernel and cannot be closed")
	}
	if err := <-waits; err == nil {
		t.Error("accepted nobody, without an error")
	}
}
