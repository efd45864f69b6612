package store_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/quilt/store/storetest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.KV { return open(t, t.TempDir()) })
}

func put(key, value string) store.Write {
	return store.Write{Space: store.Space{Name: "s"}, Key: key, Value: []byte(value), Fence: 1}
}

func TestReopenKeepsDataAndRaisesTheEpoch(t *testing.T) {
	dir := t.TempDir()
	for want := uint64(1); want <= 3; want++ {
		s := open(t, dir)
		if s.Epoch() != want || s.FirstFence() != want<<40 {
			t.Fatalf("epoch %d, first fence %d at start %d", s.Epoch(), s.FirstFence(), want)
		}
		done, err := s.Write(t.Context(), put("a", "1"))
		if err != nil || done.Version != want {
			t.Fatalf("start %d: version %d, %v", want, done.Version, err)
		}
		s.Close()
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	s.Close()
	if _, err := s.Write(t.Context(), put("a", "1")); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("got %v", err)
	}
}

// A full disk refuses writes with a hint, keeps reads and what was there, and
// writing goes on when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := open(t, dir)
	t.Cleanup(func() { s.Close() }) // before the unmount
	if _, err := s.Write(t.Context(), put("kept", `"yes"`)); err != nil {
		t.Fatal(err)
	}
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var refused error
	for i := 0; i < 100 && refused == nil; i++ {
		_, refused = s.Write(t.Context(), put(fmt.Sprint("big", i), `"`+strings.Repeat("x", 64<<10)+`"`))
	}
	if f, ok := fault.As(refused); !ok || f.Code != fault.Exhausted || f.Hint == "" {
		t.Fatalf("writing past the end of the disk: %v", refused)
	}
	if it, ok, err := s.Get(t.Context(), store.Space{Name: "s"}, "kept"); err != nil || !ok || string(it.Value) != `"yes"` {
		t.Fatalf("reading on a full disk: %s %v %v", it.Value, ok, err)
	}
	os.Remove(ballast)
	if _, err := s.Write(t.Context(), put("after", "1")); err != nil {
		t.Fatalf("writing with room again: %v", err)
	}
}

func TestSweepKeepsVersionsRising(t *testing.T) {
	s := open(t, t.TempDir())
	w := put("a", "1")
	w.TTL = 1
	for range 3 {
		if _, err := s.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SweepNow(); err != nil {
		t.Fatal(err)
	}
	done, err := s.Write(t.Context(), put("a", "1"))
	if err != nil || done.Version != 4 {
		t.Fatalf("after the sweep: version %d, %v; want 4", done.Version, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint(writers, "writers"), func(b *testing.B) {
			s := open(b, b.TempDir())
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						if _, err := s.Write(b.Context(), put(fmt.Sprint(i%1000), `{"n":1}`)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// The data is its owner's alone, also if an earlier start left it open.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		s := open(t, dir)
		if _, err := s.Write(t.Context(), put("k", "1")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"quilt.db", "quilt.db-wal", "quilt.db-shm"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, "quilt.db"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
