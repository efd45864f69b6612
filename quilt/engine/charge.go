package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// bill is every counter that one operation is counted in.
type bill struct {
	requests, tokens []counter // in a time
	budget, money    []counter // in all, or a day
}

// counter is one limit: its key in the meter, and whose it is, for people.
type counter struct {
	key, whose string
	rate       token.Rate
	most       int64
}

// charger counts what an execution's operations use up.
func (e *Engine) charger(execution string) broker.Charger {
	return func(ctx context.Context, need token.Token, estimate broker.Spend) (broker.Charge, error) {
		return e.charge(ctx, execution, need, estimate)
	}
}

func (e *Engine) charge(ctx context.Context, execution string, need token.Token, estimate broker.Spend) (broker.Charge, error) {
	if estimate.Tokens < 0 || estimate.MicroUSD < 0 {
		return broker.Charge{}, fmt.Errorf("charge %s: a negative estimate %+v", need, estimate)
	}
	b, who, err := e.bill(execution, need, time.Now())
	if err != nil {
		return broker.Charge{}, err
	}
	if err := e.ledger.reserve(b, need, estimate); err != nil {
		return broker.Charge{}, err
	}
	if err := e.ledger.pace(ctx, who, b, need, estimate); err != nil {
		e.ledger.settle(b, estimate, broker.Spend{}, false)
		return broker.Charge{}, err
	}
	var once sync.Once
	return broker.Charge{
		Settle: func(actual broker.Spend) { once.Do(func() { e.ledger.settle(b, estimate, actual, true) }) },
		Slow:   func(requests, tokens int64) { e.ledger.slow(b, requests, tokens) },
	}, nil
}

// bill gathers the counters: of the tokens of the execution and of all who wait
// for it, of the tenant, and of the machine. who is the execution, as one that waits.
func (e *Engine) bill(execution string, need token.Token, now time.Time) (b bill, who Wait, err error) {
	l := e.leases
	l.mu.Lock()
	x := l.live[execution]
	if x == nil {
		l.mu.Unlock()
		return b, who, fault.New(fault.Cancelled, "execution %s has ended", execution)
	}
	tenant := x.req.Tenant
	who = Wait{Execution: execution, Unit: x.req.Unit, Tokens: []string{need.String()}, Blocked: []string{need.String()}, Tenant: tenant, Class: x.req.class.String()}
	for y := x; y != nil; y = y.parent {
		b.own(y, need)
	}
	l.mu.Unlock()
	rules := e.policy.Load().rules
	if rules == nil {
		return b, who, nil
	}
	day := now.UTC().Format(time.DateOnly)
	for _, path := range policy.Paths(need) {
		b.limits(rules.Machine, path, "machine", "this machine", day)
		b.limits(rules.Tenant(tenant).Bounds, path, "tenant\x00"+tenant, "tenant "+first(tenant, policy.Default), day)
	}
	return b, who, nil
}

// own counts in the parameters of y's token that covers need.
func (b *bill) own(y *session, need token.Token) {
	for _, t := range y.req.tokens {
		if !t.Covers(need) {
			continue
		}
		key := "execution\x00" + y.req.Execution + "\x00" + t.String()
		whose := fmt.Sprintf("%s of %s", t, y.req.Unit)
		if r := t.Params().Rate; r.N > 0 {
			b.requests = append(b.requests, counter{key: key, whose: whose, rate: r})
		}
		if n := t.Params().Budget; n > 0 {
			b.budget = append(b.budget, counter{key: key, whose: whose, most: n})
		}
		return
	}
}

func (b *bill) limits(bounds policy.Bounds, path, key, whose, day string) {
	l, ok := bounds.Limits[path]
	if !ok {
		return
	}
	key += "\x00" + path
	whose += "'s limit of " + path
	if l.Requests.N > 0 {
		b.requests = append(b.requests, counter{key: key + "\x00requests", whose: whose, rate: l.Requests})
	}
	if l.Tokens.N > 0 {
		b.tokens = append(b.tokens, counter{key: key + "\x00tokens", whose: whose, rate: l.Tokens})
	}
	if l.TokensPerDay > 0 {
		b.budget = append(b.budget, counter{key: "day\x00" + day + "\x00" + key + "\x00tokens", whose: whose + " today", most: l.TokensPerDay})
	}
	if l.MicroUSDPerDay > 0 {
		b.money = append(b.money, counter{key: "day\x00" + day + "\x00" + key + "\x00usd", whose: whose + " today", most: l.MicroUSDPerDay})
	}
}
