package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
)

// counter counts up in its namespace for ever and says each number that was
// acknowledged.
const counter = `const host = globalThis[Symbol.for("aria.host")];
export class Unit { async run(ns, from) { for (let n = from + 1;; n++) {
	await host.call("kv.put", {ns, key: "k", value: n});
	host.log("info", String(n));
	await new Promise((r) => setTimeout(r, 300 + Math.random() * 200));
} } }`

const reader = `const host = globalThis[Symbol.for("aria.host")];
export class Unit { async run(count) { const out = []; for (let i = 0; i < count; i++)
	out.push((await host.call("kv.get", {ns: "chaos/" + i, key: "k"}))?.value ?? 0);
return out; } }`

// member is one namespace and the execution that counts in it now.
type member struct {
	id     string
	ns     string
	fences []uint64

	mu      sync.Mutex
	running bool
	counted bool  // under this id
	said    int64 // the last number that was acknowledged
	gaps    int   // numbers that came twice or not at all
	end     string
	err     error
	ended   chan struct{}
}

// fleet is all members.
type fleet struct {
	quilt   *quilt
	size    int
	serial  int
	members []*member
}

func request(id, unit, code string, args any, tokens ...string) tokenapi.Request {
	text, err := json.Marshal(args)
	if err != nil {
		panic(err) // numbers and strings
	}
	return tokenapi.Request{Execution: id, Unit: unit, Tokens: tokens, Files: []tokenapi.File{{Path: "code/unit.js", Content: []byte("// @bun\n" + code)}},
		Entry: "code/unit.js", Export: "Unit", Method: "run", Args: text, Limits: tokenapi.Limits{Wall: time.Hour}}
}

// fill starts what does not run and waits until all count.
func (f *fleet) fill(ctx context.Context) error {
	for i := len(f.members); i < f.size; i++ {
		f.members = append(f.members, &member{ns: fmt.Sprint("chaos/", i)})
	}
	f.serial++
	var wait []*member
	for i, m := range f.members {
		if m.alive() {
			continue
		}
		m.mu.Lock()
		m.id, m.running, m.counted, m.end, m.err, m.ended = fmt.Sprintf("c%d-%d", f.serial, i), true, false, "", nil, make(chan struct{})
		from := m.said
		m.mu.Unlock()
		go m.run(ctx, f.quilt.api, from)
		wait = append(wait, m)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		counting := 0
		for _, m := range wait {
			if m.started() {
				counting++
			}
			if _, err := m.outcome(); err != nil {
				return fmt.Errorf("execution %s: %w", m.id, err)
			}
		}
		if counting == len(wait) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d executions did not begin", len(wait)-counting, len(wait))
		}
	}
}

func (m *member) run(ctx context.Context, api *tokenapi.Client, from int64) {
	end, err := api.Execute(ctx, request(m.id, "chaos.count", counter, []any{m.ns, from}, "kv:"+m.ns+":rw"), func(e tokenapi.Event) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch e := e.(type) {
		case tokenapi.Started:
			m.fences = append(m.fences, e.Fence)
		case tokenapi.Log:
			n, err := strconv.ParseInt(strings.TrimSpace(e.Text), 10, 64)
			if err != nil || e.Level != "info" {
				return fmt.Errorf("unexpected output %q", e.Text)
			}
			if n != m.said+1 {
				m.gaps++
			}
			m.said, m.counted = n, true
		}
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running, m.end, m.err = false, end.Reason, err
	if err == nil && end.Error != nil {
		m.err = end.Error
	}
	close(m.ended)
}

func (m *member) alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running
}

// started: it has counted under its present id.
func (m *member) started() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running && m.counted
}

func (m *member) outcome() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end, m.err
}

// stored is what lies in each namespace.
func (f *fleet) stored(ctx context.Context) ([]int64, error) {
	f.serial++
	req := request(fmt.Sprint("read-", f.serial), "chaos.read", reader, []any{f.size}, "kv:chaos:s")
	end, err := f.quilt.api.Execute(ctx, req, func(tokenapi.Event) error { return nil })
	if err == nil && end.Error != nil {
		err = end.Error
	}
	if err != nil {
		return nil, err
	}
	var out []int64
	return out, json.Unmarshal(end.Result, &out)
}
