package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// follow is run for a caller who attaches again whenever quiltd says that it is
// replaced. It fails when an event comes twice or not at all.
func (p *pair) follow(ctx context.Context, r *quiltv1.ExecuteRequest) (out ran, err error) {
	var seq uint64
	ask := r
	for {
		stream, err := p.execute(ctx, ask, grpc.WaitForReady(true))
		if err != nil {
			return out, err
		}
		for err == nil {
			var m *quiltv1.ExecuteResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			if m.Seq != seq+1 {
				return out, fmt.Errorf("event %d after %d", m.Seq, seq)
			}
			seq = m.Seq
			switch e := m.Event.(type) {
			case *quiltv1.ExecuteResponse_Started:
				out.started = e.Started
			case *quiltv1.ExecuteResponse_Log:
				out.logs = append(out.logs, e.Log)
			case *quiltv1.ExecuteResponse_Result:
				out.result = string(e.Result.Value)
			case *quiltv1.ExecuteResponse_Ended:
				out.ended = e.Ended
				return out, nil
			}
		}
		again := false
		for _, d := range status.Convert(err).Details() {
			if e, ok := d.(*quiltv1.Error); ok && e.Again {
				if again, ask = true, r; e.Begun {
					ask = &quiltv1.ExecuteRequest{Execution: r.Execution, Attach: true, After: seq}
				}
			}
		}
		if !again {
			return out, err
		}
		time.Sleep(time.Millisecond)
	}
}

// Three restarts under one that works and speaks, one that waits for its tokens,
// one that is inside a line of stdout, and a parked container: nothing is lost,
// nothing comes twice, the table is the same.
func TestPlannedRestart(t *testing.T) {
	p := startPair(t, dataDir(t), "-parked", "1")
	ended := map[string]chan ran{}
	begin := func(r *quiltv1.ExecuteRequest) {
		done := make(chan ran, 1)
		ended[r.Execution] = done
		go func() {
			got, err := p.follow(t.Context(), r)
			if err != nil {
				t.Errorf("%s: %v", r.Execution, err)
			}
			done <- got
		}()
	}
	// Both go on until all restarts were made.
	said := []string{"kv:said:a"}
	begin(&quiltv1.ExecuteRequest{Execution: "works", Tokens: append(said, "kv:a:rw"), Code: unit(`
		for (let i = 1; ; i++) {
			await host.call("kv.put", {ns: "a", key: "n", value: i}); host.log("info", String(i));
			if (await host.call("kv.get", {ns: "said", key: "go"}) !== null) return (await host.call("kv.get", {ns: "a", key: "n"})).version;
			await new Promise(r => setTimeout(r, 20));
		}`)})
	begin(&quiltv1.ExecuteRequest{Execution: "speaks", Tokens: said, Code: unit(untilSaid + `
		process.stdout.write("half a "); await until("go"); process.stdout.write("line\n"); return 1`)})
	waitFor(t, func() bool { return live(t, p) == 2 })
	begin(&quiltv1.ExecuteRequest{Execution: "waits", Tokens: []string{"kv:a:rw"}, Code: unit(`return (await host.call("kv.get", {ns: "a", key: "n"})).value`)})
	waitFor(t, func() bool {
		l, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{})
		return err == nil && len(l.Leases) == 2 && len(l.Waits) == 1
	})
	time.Sleep(200 * time.Millisecond)
	before, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	family := descendants(int(st.LauncherPid))
	engine := st.Pid
	for range 3 {
		var out bytes.Buffer
		if err := restart(Config{Data: p.data}, &out); err != nil {
			t.Fatal(err)
		}
		after, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("the table was\n%v\nand is\n%v", before, after)
		}
		now, err := p.Status(t.Context(), &quiltv1.StatusRequest{}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatal(err)
		}
		if now.Pid == engine || now.Epoch != st.Epoch || now.LauncherPid != st.LauncherPid || !strings.Contains(out.String(), fmt.Sprint(now.Pid)) {
			t.Errorf("engine %d is %d, epoch %d, launcher %d; %q", engine, now.Pid, now.Epoch, now.LauncherPid, out.String())
		}
		engine = now.Pid
		here := descendants(int(st.LauncherPid))
		for _, pid := range family {
			if pid != int(st.Pid) && !slices.Contains(here, pid) {
				t.Errorf("process %d was lost", pid)
			}
		}
	}
	p.must(t, &quiltv1.ExecuteRequest{Execution: "says", Tokens: said, Code: unit(untilSaid + `await say("go")`)})
	works, speaks, waits := <-ended["works"], <-ended["speaks"], <-ended["waits"]
	var numbers, told []string
	for i, l := range works.logs {
		numbers, told = append(numbers, fmt.Sprint(i+1)), append(told, l.Text)
	}
	if last := fmt.Sprint(len(told)); works.result != last || waits.result != last || !slices.Equal(told, numbers) {
		t.Errorf("works: %s, said %v, %v; waits: %s, %v", works.result, told, works.ended, waits.result, waits.ended)
	}
	if waits.started.GetFence() <= works.started.GetFence() {
		t.Errorf("waits: %v, works: %v", waits.started, works.started)
	}
	if len(speaks.logs) != 1 || speaks.logs[0].Text != "half a line" {
		t.Errorf("speaks: %v, %v", speaks.logs, speaks.ended)
	}
	if got := p.must(t, &quiltv1.ExecuteRequest{Execution: "last", Code: unit(`return 1`)}); got.result != "1" {
		t.Errorf("after the restarts: %v", got.ended)
	}
}

// Calls that last are told of a restart, and do not hold it up.
func TestRestartEndsWhatLasts(t *testing.T) {
	p := startPair(t, dataDir(t))
	news, err := p.Watch(t.Context(), &quiltv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	session, err := p.Session(t.Context())
	if err == nil {
		err = session.Send(&quiltv1.SessionRequest{Ask: &quiltv1.SessionRequest_Open{Open: &quiltv1.SessionOpen{Session: "s", Tokens: []string{"kv:a:rw"}}}})
	}
	if err == nil {
		_, err = session.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := restart(Config{Data: p.data}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		_, err = news.Recv()
	}
	_, lost := session.Recv()
	for name, err := range map[string]error{"watch": err, "session": lost} {
		if st := status.Convert(err); st.Code() != codes.Unavailable || len(st.Details()) != 1 {
			t.Errorf("%s ended with %v", name, err)
		}
	}
}

// A binary that cannot serve changes nothing, and restart says so of a folder
// that nobody works on.
func TestRestartOfNobody(t *testing.T) {
	if err := restart(Config{Data: filepath.Join(t.TempDir(), "none")}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "no quiltd works on") {
		t.Errorf("%v", err)
	}
}

// An upgrade puts a new binary in the place of the old, here in a folder that
// only root may enter. A restart takes it; where it cannot be executed, or is
// gone, or belongs to others, the engine is what the launcher is.
func TestRestartTakesTheBinaryOnDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "quiltd")
	put := func(mode os.FileMode, owner int) os.FileInfo {
		t.Helper()
		next := path + ".new"
		self, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(next)
		if err := errors.Join(os.WriteFile(next, self, 0o600), os.Chown(next, owner, 0), os.Chmod(next, mode), os.Rename(next, path)); err != nil {
			t.Fatal(err)
		}
		is, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	first := put(0o755, 0)
	p := startBinary(t, path, dataDir(t))
	check := func(what string, want os.FileInfo) {
		t.Helper()
		st, err := p.Status(t.Context(), &quiltv1.StatusRequest{}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.Stat(fmt.Sprintf("/proc/%d/exe", st.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(got, want) {
			t.Errorf("%s: another binary runs", what)
		}
	}
	again := func() {
		t.Helper()
		if err := restart(Config{Data: p.data}, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	}
	check("at first", first)
	second := put(0o755, 0)
	again()
	check("upgraded", second)
	put(0o700, 0)
	again()
	check("not executable for the engine's user", first)
	put(0o755, 64102)
	again()
	check("not root's", first)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	again()
	check("gone", first)
	if got := p.must(t, &quiltv1.ExecuteRequest{Execution: "last", Code: unit(`return 1`)}); got.result != "1" {
		t.Errorf("after the restarts: %v", got.ended)
	}
}
