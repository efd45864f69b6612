package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestCostOverRestarts: what was answered before a daemon went away is counted once
// when the run goes on, and the stream that was cut is uncertain, or, where quiltd
// had time to say so, an estimate.
func TestCostOverRestarts(t *testing.T) {
	testenv.NeedRoot(t)
	held := make(chan struct{}, 10)
	var streams atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(text), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":"so"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\" it\"}}]}\n\n")
		w.(http.Flusher).Flush()
		if streams.Add(1)%2 == 1 {
			time.Sleep(200 * time.Millisecond) // until the unit has it
			held <- struct{}{}
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\" is\"},\"finish_reason\":\"stop\"}]}\n\n"+
			"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n")
	}))
	defer srv.Close()
	data := reachable(t)
	file := strings.NewReplacer("PROVIDER", srv.URL, `key_file = "KEYFILE"`, "").Replace(payersFile)
	writeFile(t, filepath.Join(data, "models.toml"), file)
	p := startPairIn(t, data)
	p.uploadWithClients(t, payers)
	kill := func(what string) func() error {
		return func() error { return syscall.Kill(p.Find(what), syscall.SIGKILL) }
	}
	restart := func() error {
		return exec.Command(filepath.Join(binDir, "quiltd"), "restart", "-data", data).Run()
	}
	for shows, c := range map[string]struct {
		stop func() error
		want billLine
	}{
		"ariad is killed":     {kill("ariad serve"), billLine{Turns: 2, InputTokens: 8, OutputTokens: 3, Uncertain: 1}},
		"quiltd is killed":    {kill("quiltd engine"), billLine{Turns: 2, InputTokens: 8, OutputTokens: 3, Uncertain: 1}},
		"quiltd is restarted": {restart, billLine{Turns: 3, InputTokens: 8, OutputTokens: 43, Estimated: 1}},
	} {
		over := make(chan run, 1)
		go func() {
			r, _ := p.run(t, "cut", `""`)
			over <- r
		}()
		<-held
		if err := c.stop(); err != nil {
			t.Fatalf("%s: %v", shows, err)
		}
		r := <-over
		if string(r.Output) != `"so it is"` {
			t.Fatalf("%s: %s %+v", shows, r.Output, r.Error)
		}
		got := p.bill(t, r.ID, "").Total
		if c.want.Estimated > 0 { // what its request can have had in tokens
			c.want.InputTokens += max(1024, got.InputTokens-8)
		}
		got.Runs, got.USD = 0, 0
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", shows, diff)
		}
	}
}
