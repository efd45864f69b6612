package llmgate

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/llm/scripted"
)

const chatPath = "/openai/v1/chat/completions"

// priced is a model of one dollar per million tokens: a micro-dollar each.
const priced = `
[providers.openai.models.m]
price = { input = 1.0, output = 1.0 }
max_output = 100
`

func ask100(extra string) string { return `{"model":"m",` + extra + hello + `}` }

// What has no known bound does not go out where something is limited.
func TestWhatCannotBeBoundedIsRefused(t *testing.T) {
	image := `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.b/c.png"}}]}]`
	for _, c := range []struct{ name, path, body, want string }{
		{"a tier with a price of its own", chatPath, ask100(`"service_tier":"priority",`), "service_tier has a cost"},
		{"the provider's search", chatPath, ask100(`"web_search_options":{},`), "web_search_options"},
		{"a prediction", chatPath, ask100(`"prediction":{"type":"content","content":"x"},`), "prediction"},
		{"an image", chatPath, `{"model":"m",` + image + `}`, "more than text"},
		{"audio by its id", chatPath, `{"model":"m","messages":[{"role":"assistant","audio":{"id":"a1"}}]}`, "more than text"},
		{"a conversation that lies at the provider", "/openai/v1/responses", `{"model":"m","input":"x","previous_response_id":"r"}`, "previous_response_id"},
		{"an item of such a conversation", "/openai/v1/responses", `{"model":"m","input":[{"type":"item_reference","id":"x"}]}`, "more than text"},
		{"work in the background", "/openai/v1/responses", `{"model":"m","input":"x","background":true}`, "background"},
		{"a tool of the provider", "/openai/v1/responses", `{"model":"m","input":"x","tools":[{"type":"web_search"}]}`, "the tool web_search"},
		{"another spelling of the bound", chatPath, ask100(`"Max_Tokens":9000,`), ""},
		{"the bound twice", chatPath, ask100(`"max_tokens":9000,"max_tokens":5,`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "usd_per_day = 1.0"+priced, "llm:openai:m")
			status, text, _ := d.post(c.path, c.body)
			if c.want == "" {
				r := d.server.Requests()
				if status != 200 || len(r) != 1 || r[0].MaxTokens > 100 {
					t.Errorf("HTTP %d, asked for %+v: %s", status, r, text)
				}
				return
			}
			if status != 403 || !strings.Contains(text, c.want) || len(d.server.Requests()) > 0 {
				t.Errorf("HTTP %d, want 403 with %q: %s", status, c.want, text)
			}
		})
	}
}

func TestGeminiAndAnthropicAreBoundedToo(t *testing.T) {
	for _, c := range []struct{ name, path, body, want string }{
		{"a cache at the provider", "/gemini/v1beta/models/m:generateContent", `{"contents":[],"cachedContent":"x"}`, "cachedContent"},
		{"another spelling", "/gemini/v1beta/models/m:generateContent", `{"contents":[],"generation_config":{"max_output_tokens":9999}}`, "generation_config"},
		{"a file", "/gemini/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]}`, "more than text"},
		{"search", "/gemini/v1beta/models/m:generateContent", `{"contents":[],"tools":[{"googleSearch":{}}]}`, "tools.googleSearch"},
		{"a server's tool", "/anthropic/v1/messages", `{"model":"m","max_tokens":5,"tools":[{"type":"web_search_20250305","name":"w"}],` + hello + `}`, "the tool web_search"},
		{"an image", "/anthropic/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]}`, "more than text"},
		{"an hour of cache", "/anthropic/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}`, "more than text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "",
				"llm:gemini:m?budget=100000", "llm:anthropic:m?budget=100000")
			status, text, _ := d.post(c.path, c.body)
			if status != 403 || !strings.Contains(text, c.want) || len(d.server.Requests()) > 0 {
				t.Errorf("HTTP %d, want 403 with %q: %s", status, c.want, text)
			}
		})
	}
}

// The bound of an answer is always sent, so that what was reserved holds.
func TestTheBoundGoesOut(t *testing.T) {
	for _, c := range []struct {
		name, more, body string
		want             int64
	}{
		{"of the file", "usd_per_day = 1.0" + priced, ask100(""), 100},
		{"of the client", "usd_per_day = 1.0" + priced, ask100(`"max_tokens":7,`), 7},
		{"of the client, by its other name", "usd_per_day = 1.0" + priced, ask100(`"max_completion_tokens":9,`), 9},
		{"ours, where nobody says one", "tokens_per_minute = 100000", ask100(""), defaultOutput},
		{"none without limits", "", ask100(""), 0},
	} {
		d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, c.more, "llm:openai:m")
		if status, text, _ := d.post(chatPath, c.body); status != 200 {
			t.Fatalf("%s: HTTP %d %s", c.name, status, text)
		}
		if got := d.server.Requests()[0].MaxTokens; got != c.want {
			t.Errorf("%s: the server was asked for at most %d tokens, want %d", c.name, got, c.want)
		}
	}
}

// A client that spends as fast as it can, with calls at once, cannot make the
// sum higher than the limit: not by one token, not by one micro-dollar.
func TestNobodyOvershoots(t *testing.T) {
	for _, c := range []struct{ name, more, token, key string }{
		{"tokens of a handle", "", "llm:openai:m#8?budget=9000", "run/acme/run1/tokens/openai:m"},
		{"dollars of a run", "usd_per_run = 0.009" + priced, "llm:openai:m#8", "run/acme/run1/usd/openai"},
		{"dollars of a day", "usd_per_day = 0.009" + priced, "llm:openai:m#8", ""},
		{"dollars of a model and a day", priced + "usd_per_day = 0.009\n", "llm:openai:m#8", "model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const limit = 9000
			key := c.key
			switch key {
			case "":
				key = dayKey(time.Now(), "openai")
			case "model":
				key = dayKey(time.Now(), "openai:m")
			}
			greedy := scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "x", Usage: &scripted.Usage{Input: 900, Output: 100}}}}
			d := newDesk(t, greedy, c.more, c.token)
			var refused, served int
			var mu sync.Mutex
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 12 {
						status, text, h := d.post(chatPath, ask100(fmt.Sprintf(`"max_tokens":%d,`, 100+rand.IntN(3000))))
						mu.Lock()
						switch {
						case status == 200:
							served++
						case status == 429 && h.Get("X-Should-Retry") == "false":
							refused++
						default:
							t.Errorf("HTTP %d %s", status, text)
						}
						mu.Unlock()
					}
				})
			}
			all.Wait()
			spent := d.ledger.spentOf(key)
			if want := int64(1000 * served); spent != want || spent > limit || served < 5 || refused == 0 {
				t.Errorf("%d served, %d refused: %d spent of %d", served, refused, spent, limit)
			}
			if n := len(d.server.Requests()); n != served {
				t.Errorf("%d requests went out, %d were served", n, served)
			}
		})
	}
}

// What was spent is not forgotten by a restart, a crash included: then it may
// count for more, never for less.
func TestTheDaysBudgetSurvives(t *testing.T) {
	turn := scripted.Turn{Text: "x", Usage: &scripted.Usage{Input: 900, Output: 100}}
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{turn}}, "usd_per_day = 0.0042"+priced, "llm:openai:m")
	dir, key := d.book.path[:strings.LastIndexByte(d.book.path, '/')], dayKey(time.Now(), "openai")
	one := func() int {
		status, _, _ := d.post(chatPath, ask100(`"max_tokens":100,`))
		return status
	}
	if one() != 200 {
		t.Fatal("the first call does not pass")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.open(dir)
	if got := d.ledger.spentOf(key); got != 1000 {
		t.Errorf("after a clean end %d are spent, want 1000", got)
	}
	if one() != 200 {
		t.Fatal("the second call does not pass")
	}
	d.open(dir) // killed: nothing was written at the end
	after := d.ledger.spentOf(key)
	if after < 2000 || after > 4200 {
		t.Errorf("after a crash %d count as spent, want 2000 to 4200", after)
	}
	served := 2
	for range 10 {
		if one() == 200 {
			served++
		}
	}
	if served > 4 || one() != 429 {
		t.Errorf("%d calls of 1000 under a limit of 4200", served)
	}
}

// A model without a price cannot be under a limit in dollars.
func TestAnUnknownPriceIsRefused(t *testing.T) {
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "usd_per_day = 1.0", "llm:openai:m")
	if status, text, _ := d.post(chatPath, ask100("")); status != 403 || !strings.Contains(text, "price is not known") || !strings.Contains(text, "models.toml") {
		t.Errorf("HTTP %d %s", status, text)
	}
}

// Calls at once wait for one another; too many requests wait for the window,
// or are told when to come back.
func TestConcurrencyAndRates(t *testing.T) {
	slow := scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi", DelayMS: 30}}}
	for _, c := range []struct {
		name, more, token string
		atOnce            int64
	}{
		{"units of the token", "", "llm:openai:m#2", 2},
		{"one without units", "", "llm:openai:m", 1},
		{"concurrency of the provider", "concurrency = 3", "llm:openai:m#8", 3},
	} {
		d := newDesk(t, slow, c.more, c.token)
		began := time.Now()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if status, text, _ := d.post(chatPath, ask100("")); status != 200 {
					t.Errorf("%s: HTTP %d %s", c.name, status, text)
				}
			})
		}
		all.Wait()
		if took, least := time.Since(began), time.Duration(6/c.atOnce)*30*time.Millisecond; took < least {
			t.Errorf("%s: six calls of 30 ms took %s, below %s", c.name, took, least)
		}
	}
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hi"}}}, "requests_per_minute = 2", "llm:openai:m")
	d.post(chatPath, ask100(""))
	d.post(chatPath, ask100(""))
	status, text, h := d.post(chatPath, ask100(""))
	if status != 429 || h.Get("Retry-After") == "" || h.Get("X-Should-Retry") != "true" || !strings.Contains(text, "requests_per_minute of openai") {
		t.Errorf("the third: HTTP %d %v %s", status, h, text)
	}
}

// A provider that says "not now" is believed by everybody, one that says how
// little is left too.
func TestTheProvidersOwnLimits(t *testing.T) {
	d := newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{
		{Status: 429, Error: "slow down", RetryAfter: "40"}, {Text: "hi"}}}, "", "llm:openai:m")
	if status, text, h := d.post(chatPath, ask100("")); status != 429 || h.Get("Retry-After") != "40" || !strings.Contains(text, "slow down") {
		t.Errorf("HTTP %d %v %s", status, h, text)
	}
	if status, text, h := d.post(chatPath, ask100("")); status != http.StatusTooManyRequests || h.Get("Retry-After") == "" || len(d.server.Requests()) != 1 {
		t.Errorf("the next: HTTP %d %s, %d requests went out", status, text, len(d.server.Requests()))
	}
	left := scripted.Turn{Text: "hi", Headers: map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}}
	d = newDesk(t, scripted.Script{Forever: true, Turns: []scripted.Turn{left}}, "requests_per_minute = 100", "llm:openai:m")
	d.post(chatPath, ask100(""))
	if status, _, _ := d.post(chatPath, ask100("")); status != 429 {
		t.Errorf("the provider has nothing left, and HTTP %d", status)
	}
}
