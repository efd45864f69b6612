package daemon

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// A take that waits while restart follows restart at once: the engine leaves in
// order each time, and the take gets its lock in the end.
func TestATakeWaitsThroughRestarts(t *testing.T) {
	p := startPair(t, dataDir(t))
	ended := map[string]chan ran{}
	begin := func(id, body string) {
		done := make(chan ran, 1)
		ended[id] = done
		go func() {
			got, err := p.follow(t.Context(), &quiltv1.ExecuteRequest{Execution: id, Tokens: []string{"lock:gate:rw?hold=tx", "kv:said:a"}, Code: unit(body)})
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
			done <- got
		}()
	}
	begin("holds", `
		await host.call("lock.take", {name: "gate"});
		await host.call("kv.put", {ns: "said", key: "held", value: 1});
		while (await host.call("kv.get", {ns: "said", key: "go"}) === null) await new Promise(r => setTimeout(r, 20));
		return 1`)
	waitFor(t, func() bool {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("asks", time.Now().UnixNano()), Tokens: []string{"kv:said:s"},
			Code: unit(`return await host.call("kv.get", {ns: "said", key: "held"}) !== null`)})
		return got.result == "true"
	})
	begin("next", `await host.call("lock.take", {name: "gate"}); return 2`)
	waitFor(t, func() bool {
		l, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{})
		return err == nil && len(l.Waits) == 1
	})
	for range 6 {
		if err := restart(Config{Data: p.data}, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	}
	p.must(t, &quiltv1.ExecuteRequest{Execution: "go", Tokens: []string{"kv:said:a"}, Code: unit(`await host.call("kv.put", {ns: "said", key: "go", value: 1})`)})
	if got := <-ended["holds"]; got.result != "1" {
		t.Errorf("holds: %s, %v", got.result, got.ended)
	}
	if got := <-ended["next"]; got.result != "2" {
		t.Errorf("next: %s, %v", got.result, got.ended)
	}
}
