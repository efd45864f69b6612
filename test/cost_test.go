package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

var askers = map[string]string{
	"aria.toml": "name = \"askers\"\nversion = \"1.0.0\"\n",
	"src/askers.ts": `import { agent, Agent, llm, pipeline, Pipeline } from '@aria/sdk';

@agent({ model: 'own:m' })
export class Thinker extends Agent<string, string> { instructions = 'Think.'; }

@pipeline()
export class Coded extends Pipeline<string, string> {
  model = llm('own:m');
  async run(i: string): Promise<string> { return this.model.text(i); }
}
`,
}

// TestCostOfWhatACrashCut: a model was asked and ariad died before the answer was
// recorded: it is asked again, and the first time stays in the bill as uncertain.
func TestCostOfWhatACrashCut(t *testing.T) {
	testenv.NeedRoot(t)
	var asked atomic.Int64
	held := make(chan struct{}, 10)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			fmt.Fprint(w, `{"data":[]}`)
			return
		}
		if asked.Add(1)%2 == 1 {
			held <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":"so"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`)
	})}
	go srv.Serve(l)
	defer srv.Close()
	data := reachable(t)
	writeFile(t, filepath.Join(data, "models.toml"), fmt.Sprintf("[providers.own]\ndialect = \"openai\"\nbase_url = \"http://%s/v1\"\n", l.Addr()))
	p := startPairIn(t, data)
	dir, err := system.Project(askers)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if _, err := p.Upload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"thinker", "coded"} {
		over := make(chan run, 1)
		go func() {
			r, _ := p.run(t, unit, `"and?"`)
			over <- r
		}()
		<-held
		if err := syscall.Kill(p.Find("ariad serve"), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r := <-over
		if string(r.Output) != `"so"` {
			t.Fatalf("%s: %s %+v", unit, r.Output, r.Error)
		}
		for _, by := range []string{"", "model", "tenant", "unit"} {
			out, _ := p.arc(t, "cost", r.ID, "--by", by, "--json")
			var bill struct {
				Total struct{ Turns, Uncertain, InputTokens int64 }
				Lines []struct {
					Name      string
					Uncertain int64
				}
			}
			if err := json.Unmarshal(out, &bill); err != nil || bill.Total.Uncertain != 1 || bill.Total.Turns != 1 || bill.Total.InputTokens != 3 {
				t.Errorf("%s by %q: %s", unit, by, out)
			}
			want := map[string]string{"model": "own:m", "tenant": "default", "unit": unit}[by]
			for _, line := range bill.Lines {
				if line.Uncertain > 0 && line.Name != want {
					t.Errorf("%s by %q: the line of what is uncertain is %q", unit, by, line.Name)
				}
			}
		}
	}
}
