package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Twenty containers count up one key side by side; nothing is lost.
func TestManyAtOnce(t *testing.T) {
	p := startPair(t, dataDir(t))
	const body = `for (let done = 0; done < 10;) {
		const e = await host.call("kv.get", {ns: "n", key: "k"});
		try { await host.call("kv.cas", {ns: "n", key: "k", value: (e?.value ?? 0) + 1, version: e?.version ?? 0}); done++ }
		catch (e) { if (e.code !== "conflict") throw e }
	} return "counted"`
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			got, err := p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: fmt.Sprint("m", i), Tokens: []string{"kv:n:a"}, Code: unit(body)})
			if err != nil || got.result != `"counted"` || got.queued != nil {
				t.Errorf("%d: %v %v %v", i, got.ended, got.queued, err)
			}
		})
	}
	wg.Wait()
	sum := p.must(t, &quiltv1.ExecuteRequest{Execution: "sum", Tokens: []string{"kv:n:r"}, Code: unit(`return await host.call("kv.get", {ns: "n", key: "k"})`)})
	if sum.result != `{"value":200,"version":200}` {
		t.Errorf("counted %s, %v", sum.result, sum.ended)
	}
}

// A full disk in the data folder refuses writes with a hint; everything else
// goes on.
func TestFullDisk(t *testing.T) {
	data := dataDir(t)
	dir := filepath.Join(data, "quilt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	p := startPair(t, data)
	fill := p.must(t, &quiltv1.ExecuteRequest{Execution: "fill", Tokens: []string{"kv:n:rw"},
		Code: unit(`for (let i = 0; i < 100; i++) await host.call("kv.put", {ns: "n", key: "k" + i, value: "x".repeat(50000)})`)})
	if e := fill.ended; e.Reason != "error" || e.Error.Code != "exhausted" || !strings.Contains(e.Error.Message, "disk") || e.Error.Hint == "" {
		t.Errorf("ended %v", e)
	}
	read := p.must(t, &quiltv1.ExecuteRequest{Execution: "read", Tokens: []string{"kv:n:r"},
		Code: unit(`return (await host.call("kv.get", {ns: "n", key: "k0"})).value.length`)})
	if read.result != "50000" {
		t.Errorf("after that: %s, %v", read.result, read.ended)
	}
}
