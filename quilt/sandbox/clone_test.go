package sandbox

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestApart: a child that is cloned apart writes to a copy of our memory, one that
// is not to ours; both say how far they came.
func TestApart(t *testing.T) {
	for _, apart := range []bool{false, true} {
		seen := new([16]byte)
		c := &program{apart: apart}
		c.keep = append(c.keep, seen)
		c.add("write", unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(seen)), uintptr(len(seen)), 0)
		c.add("exec", unix.SYS_EXECVE, c.str("/nowhere/at/all"), c.strs(nil), c.strs(nil))
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			_, _, err := c.run(0, -1)
			done <- err
		}()
		if err := <-done; !errors.Is(err, unix.ENOENT) || err.Error() != "exec: "+unix.ENOENT.Error() {
			t.Errorf("apart %v: %v", apart, err)
		}
		if shared := *seen != [16]byte{}; shared == (apart || !haveStub) {
			t.Errorf("apart %v: what the child wrote is %v", apart, *seen)
		}
	}
}

// BenchmarkApart starts containers with the stub and as where there is none, in
// turn: what the copy of the launcher's memory costs.
func BenchmarkApart(b *testing.B) {
	c := sharedClient(b)
	var took [2][]float64
	defer shared.launcher.template.apart.Store(false)
	for b.Loop() {
		for i := range took {
			shared.launcher.template.apart.Store(i == 1)
			p, err := NewPlan(Spec{ID: nextID(), Argv: []string{"/bin/bun", "-e", "0"}}, c.Hello())
			if err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			k, err := c.Start(b.Context(), p)
			if err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(began).Seconds()*1e3)
			_, err = k.Wait(b.Context())
			k.Close()
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	for i, name := range []string{"shared", "apart"} {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2], name+"-p50-ms")
		b.ReportMetric(took[i][0], name+"-min-ms")
	}
}
