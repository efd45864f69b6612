// Command budgets lets greedy callers loose on the model gateway, with many calls
// at once and answers as long as they may be, and shows that no limit of tokens
// or dollars is passed by one token or one micro-dollar; then that a day's money
// is not spent again after a crash. The provider is a scripted one over HTTP.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/llmgate"
	"github.com/ariacomputecompany/firmware/token"
)

// in and out are what the provider says that each call used: all of the bound.
const in, out, limit = 1500, 500, 400_000

func main() {
	n := flag.Int("n", 1000, "calls")
	flag.Parse()
	if err := run(*n); err != nil {
		fmt.Fprintln(os.Stderr, "budgets:", err)
		os.Exit(1)
	}
}

func run(n int) error {
	dir, err := os.MkdirTemp("", "budgets-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	turn := scripted.Turn{Text: "x", Usage: &scripted.Usage{Input: in, Output: out}}
	provider := scripted.Serve(ln, scripted.Script{Forever: true, Turns: []scripted.Turn{turn}})
	defer provider.Close()
	var tokensOver, microsOver, calls, served int64
	for _, c := range []struct {
		limits, token string
		usd           bool
	}{
		{"", fmt.Sprintf("llm:p:m#16?budget=%d", limit), false},
		{"usd_per_run = 0.4\n", "llm:p:m#16", true},
		{"usd_per_day = 0.4\n", "llm:p:m#16", true},
	} {
		r, err := greedy(filepath.Join(dir, fmt.Sprint(calls)), provider.URL(), c.limits, c.token, n/3)
		if err != nil {
			return err
		}
		calls, served = calls+int64(n/3), served+r
		// A token costs a micro-dollar, so both limits are the same number.
		over := max(0, r*(in+out)-limit)
		if c.usd {
			microsOver += over
		} else {
			tokensOver += over
		}
	}
	fmt.Printf("budgets: %d calls, %d served, %d tokens over, %d micro-dollars over, restarts spent nothing again\n", calls, served, tokensOver, microsOver)
	if tokensOver+microsOver > 0 || served < 3*limit/(in+out)/2 && n >= 1000 {
		return fmt.Errorf("a limit was passed, or too little of it was of use")
	}
	return nil
}

// greedy makes n calls, half of them after a restart without a clean end, and
// says how many were served.
func greedy(dir, base, limits, tok string, n int) (served int64, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	file := "[limits]\n" + limits + "[providers.p]\ndialect = \"openai\"\nbase_url = \"" + base +
		"\"\n[providers.p.models.m]\nprice = { input = 1.0, output = 1.0 }\n"
	f, err := models.Parse("models.toml", file)
	if err != nil {
		return 0, err
	}
	set, err := token.ParseSet([]string{tok})
	if err != nil {
		return 0, err
	}
	call := broker.Call{Execution: "run.1", Unit: "greedy", Grant: broker.Grant{Tokens: set}}
	restarts := 2
	if !strings.Contains(limits, "day") {
		restarts = 1 // what a run may use goes with its gateway: its executions do too
	}
	for range restarts {
		gate, err := llmgate.New(llmgate.Config{Models: models.Fixed(f), Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		if err != nil {
			return served, err
		}
		got, err := burst(gate, call, n/restarts)
		if served += got; err != nil {
			return served, err
		}
	}
	return served, nil
}

func burst(gate *llmgate.Gate, call broker.Call, n int) (int64, error) {
	front := httptest.NewServer(gate.Handler(call))
	defer front.Close()
	var served, odd atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range n / 16 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				body := fmt.Sprintf(`{"model":"m","max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, out+rand.IntN(4000), strings.Repeat("x", rand.IntN(2000)+600))
				req, _ := http.NewRequestWithContext(ctx, "POST", front.URL+"/openai/v1/chat/completions", strings.NewReader(body))
				res, err := http.DefaultClient.Do(req)
				switch {
				case err != nil:
					odd.Add(1)
				case res.StatusCode == 200:
					served.Add(1)
				case res.StatusCode != 429:
					odd.Add(1)
				}
				if err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if odd.Load() > 0 {
		return served.Load(), fmt.Errorf("%d calls ended otherwise than served or refused for want of budget", odd.Load())
	}
	return served.Load(), nil
}
