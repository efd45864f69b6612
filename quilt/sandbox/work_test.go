package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
)

// TestOrdinaryWork: the walls do not stand in the way of honest code.
func TestOrdinaryWork(t *testing.T) {
	code, err := os.ReadFile("testdata/work.ts")
	if err != nil {
		t.Fatal(err)
	}
	o := runCode(t, Spec{CPUMillis: 2000}, string(code))
	var got map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	for name, is := range got {
		if is != true {
			t.Errorf("%s: %v", name, is)
		}
	}
	if len(got) != 14 {
		t.Errorf("%d jobs ran, want 14", len(got))
	}
}

// TestBurst asks for many more at once than are prepared.
func TestBurst(t *testing.T) {
	c := sharedClient(t)
	const n = 64
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() {
			p, err := NewPlan(Spec{ID: fmt.Sprint("burst-", i), Argv: []string{"/bin/bun", "-e", "0"}}, c.Hello())
			if err != nil {
				errs <- err
				return
			}
			k, err := c.Start(t.Context(), p)
			if err != nil {
				errs <- err
				return
			}
			defer k.Close()
			if e, err := k.Wait(t.Context()); err != nil || e.Code != 0 {
				errs <- fmt.Errorf("%+v, %w", e, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}
