package sandbox

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// lastLine is what the one test that a make target runs says of itself.
var lastLine string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "hold" { // parked: until it is told to begin
		var one [1]byte
		_, _ = unix.Read(3, one[:])
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	withoutRoot()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "test-launcher":
			launcherMain(os.Args[2:])
		case "test-engine":
			engineMain(os.Args[2:])
		case "attacker":
			attackerMain(os.Args[2:])
		}
		if what, ok := strings.CutPrefix(os.Args[1], "attacker-"); ok {
			attackerBomb(what)
		}
	}
	code := m.Run()
	if shared.client != nil {
		shared.client.Close()
		shared.served.Wait()
		shared.launcher.close()
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	if lastLine != "" {
		fmt.Println(lastLine)
	}
	os.Exit(code)
}

// shared is one launcher in this process for all tests that can share it.
var shared struct {
	once     sync.Once
	err      error
	dir      string
	launcher *launcher
	client   *Client
	served   sync.WaitGroup
}

var testCgroup = fmt.Sprint("aria-quilt-test-", os.Getpid())

// eyes are programs of others that look around in a container (eyes_test.go).
var eyes []string

// abiHere is where this machine's ABI has its loader and Debian the libraries, and
// the top of an image.
var abiHere = map[string]struct{ loader, triplet, top string }{
	"amd64": {"/lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu", "aria bin dev etc lib lib64 proc tmp"},
	"arm64": {"/lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu", "aria bin dev etc lib proc tmp"},
}[runtime.GOARCH]

// testImage is the least that Bun runs in. The real one is package image's; a
// room may not import its neighbour, so the test copies what ldd would name.
func testImage(bun, dir string) error {
	for _, d := range []string{"bin", "etc", "dev", "proc", "tmp", "aria"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := copyFile(bun, filepath.Join(dir, "bin/bun"), 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyFile(self, filepath.Join(dir, "bin/attacker"), 0o755); err != nil {
		return err
	}
	for _, tool := range eyes {
		if err := copyFile(tool, filepath.Join(dir, "bin", filepath.Base(tool)), 0o755); err != nil {
			return err
		}
	}
	if err := copyLibraries(bun, dir, map[string]bool{}); err != nil {
		return err
	}
	// The real harness where the tree is there; the boot image has only its tests,
	// and gets one that does no more than say that it is ready.
	harness, err := os.ReadFile("../../sdk/dist/harness.js")
	if err != nil {
		harness = []byte(`Bun.connect({fd:3,socket:{open(s){s.write('\0\0\0\r{"t":"ready"}')},data(){},close(){process.exit()}}})`)
	}
	if err := os.WriteFile(filepath.Join(dir, "aria/harness.js"), harness, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644)
}

// copyLibraries copies what a binary needs, without ldd: the boot image, where
// these tests run too, has no shell.
func copyLibraries(binary, dir string, seen map[string]bool) error {
	f, err := elf.Open(binary)
	if err != nil {
		return err
	}
	defer f.Close()
	libs, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	folders := append(filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")), "/lib64", "/lib/"+abiHere.triplet, "/usr/lib64", "/lib")
	for _, lib := range append(libs, filepath.Base(abiHere.loader)) {
		to := filepath.Join(dir, "lib", abiHere.triplet, lib)
		if lib == filepath.Base(abiHere.loader) {
			to = filepath.Join(dir, abiHere.loader)
		}
		for _, folder := range folders {
			src, err := filepath.EvalSymlinks(filepath.Join(folder, lib))
			if err != nil || seen[lib] {
				continue
			}
			seen[lib] = true
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := copyFile(src, to, 0o755); err != nil {
				return err
			}
			if err := copyLibraries(src, dir, seen); err != nil {
				return err
			}
		}
		if !seen[lib] {
			return fmt.Errorf("library %s: %w", lib, os.ErrNotExist)
		}
	}
	return nil
}

// start gives the shared client.
func sharedClient(t testing.TB) *Client {
	t.Helper()
	testenv.NeedRoot(t)
	bun := testenv.Bun(t)
	shared.once.Do(func() { shared.err = openShared(bun) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.client
}

func openShared(bun string) error {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		return err
	}
	shared.dir = dir
	if err := testImage(bun, filepath.Join(dir, "image")); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	cfg := LauncherConfig{ImageDir: filepath.Join(dir, "image"), ImageDigest: "test", CgroupName: testCgroup, UIDBase: 300000, Log: log,
		Rootless: rootless.on, IDs: rootless.ids, AllowDegraded: Degradable}
	if shared.launcher, err = newLauncher(cfg.withDefaults()); err != nil {
		return err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	conn, err := newLink(ours)
	ours.Close()
	if err != nil {
		return err
	}
	w := newWorker(conn)
	if err := shared.launcher.greet(w, false); err != nil {
		return err
	}
	shared.launcher.front(w)
	shared.served.Go(func() {
		if <-w.gone; w.err != nil {
			fmt.Fprintln(os.Stderr, "serve:", w.err)
		}
	})
	shared.client, err = Dial(theirs)
	return err
}

// outcome is everything a finished container left.
type outcome struct {
	exit           Exit
	stdout, stderr string
}

var counter struct {
	sync.Mutex
	n int
}

func nextID() string {
	counter.Lock()
	defer counter.Unlock()
	counter.n++
	return fmt.Sprintf("test-%d", counter.n)
}

// begin starts TypeScript code in a container.
func begin(t testing.TB, c *Client, spec Spec, code string) *Container {
	t.Helper()
	spec.ID = nextID()
	if spec.Argv == nil {
		spec.Argv = []string{"/bin/bun", "--no-install", "-e", code}
	}
	p, err := NewPlan(spec, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Start(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// end reads all output and waits.
func end(t testing.TB, k *Container) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(&out, k.Stdout) })
	wg.Go(func() { io.Copy(&errs, k.Stderr) })
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience(30*time.Second))
	defer cancel()
	e, err := k.Wait(ctx)
	if err != nil {
		k.Kill()
		t.Fatalf("wait: %v; stderr: %s", err, errs.String())
	}
	wg.Wait()
	if n := shared.launcher.stats().Leftover; n > 0 {
		t.Errorf("left behind: %d groups", n)
	}
	return outcome{e, out.String(), errs.String()}
}

func runCode(t testing.TB, spec Spec, code string) outcome {
	t.Helper()
	c := sharedClient(t)
	k := begin(t, c, spec, code)
	return end(t, k)
}
