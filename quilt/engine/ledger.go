package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// ledger is the meter's one owner. What is spent of a day's budget is on disk
// before the operation begins, reservations counted as spent: after a crash a
// budget may seem smaller than it is, never larger.
type ledger struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	meter *scheduler.Meter
	began time.Time
	spent map[string]int64 // of an earlier start
	paced map[*Wait]bool   // operations that wait for a rate
}

func openLedger(path string, log *slog.Logger) *ledger {
	l := &ledger{path: path, log: log, meter: scheduler.NewMeter(), began: time.Now(), spent: map[string]int64{}, paced: map[*Wait]bool{}}
	if path == "" {
		return l
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &l.spent)
	}
	if err != nil && !os.IsNotExist(err) {
		log.Error("what was spent today cannot be read; it counts from zero", "file", path, "err", err)
	}
	return l
}

func (l *ledger) now() time.Time { return l.began.Add(time.Since(l.began)) }

// reserve sets the estimate aside from every budget, or says which has too
// little left.
func (l *ledger) reserve(b bill, need token.Token, est broker.Spend) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range append(b.budget[:len(b.budget):len(b.budget)], b.money...) {
		l.know(c)
	}
	if ok, short := l.meter.Reserve(est.Tokens, keys(b.budget)...); !ok {
		return l.poor(b.budget, short, need, "%d model tokens", est.Tokens)
	}
	if ok, short := l.meter.Reserve(est.MicroUSD, keys(b.money)...); !ok {
		l.meter.Settle(est.Tokens, 0, keys(b.budget)...)
		return l.poor(b.money, short, need, "%.6f dollars", float64(est.MicroUSD)/1e6)
	}
	if err := l.save(b); err != nil {
		l.meter.Settle(est.Tokens, 0, keys(b.budget)...)
		l.meter.Settle(est.MicroUSD, 0, keys(b.money)...)
		l.log.Error("what is spent cannot be written; nothing is", "file", l.path, "err", err)
		return fault.New(fault.Unavailable, "%s is not used: what is spent cannot be written down", need).WithHint("is the disk full? the log of quiltd has the cause")
	}
	return nil
}

// know tells the meter of a budget, and of what an earlier start spent of it.
func (l *ledger) know(c counter) {
	_, known := l.meter.Left(c.key)
	l.meter.SetBudget(c.key, c.most)
	if was := l.spent[c.key]; !known && was > 0 {
		l.meter.Settle(0, was, c.key)
	}
}

func (l *ledger) poor(list []counter, short string, need token.Token, format string, est any) error {
	for _, c := range list {
		if c.key == short {
			left, _ := l.meter.Left(short)
			return fault.New(fault.Exhausted, "%s may need "+format+", and %s has %d left of %d", need, est, c.whose, left, c.most).
				WithHint("raise the budget, or ask for less at once; dollars are counted in millionths")
		}
	}
	return fault.New(fault.Exhausted, "%s: the budget is used up", need)
}

// pace waits until all rates let the operation through, and counts it in them. who
// is shown with the waiting ones meanwhile.
func (l *ledger) pace(ctx context.Context, who Wait, b bill, need token.Token, est broker.Spend) error {
	who.Since = time.Now()
	defer l.show(&who, 0, "")
	for {
		wait, never, whose := l.step(b, est)
		if never != "" {
			return fault.New(fault.Exhausted, "%s may need %d model tokens at once, more than %s lets through at any time", need, est.Tokens, never).
				WithHint("ask for a shorter answer, or raise the rate")
		}
		if wait == 0 {
			return nil
		}
		l.show(&who, wait, whose)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// show says until when who has to wait, and for whose rate; 0: no more.
func (l *ledger) show(who *Wait, wait time.Duration, whose string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait == 0 {
		delete(l.paced, who)
		return
	}
	who.Opens, who.Limit = time.Now().Add(wait), whose
	l.paced[who] = true
}

// waits are the operations that wait for a rate, oldest first.
func (l *ledger) waits() (out []Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.paced {
		out = append(out, *w)
	}
	slices.SortFunc(out, func(a, b Wait) int { return a.Since.Compare(b.Since) })
	return out
}

// step takes the operation from all rates, or says how long that takes and whose
// rate it is that opens last.
func (l *ledger) step(b bill, est broker.Spend) (wait time.Duration, never, whose string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, c := range append(b.requests[:len(b.requests):len(b.requests)], b.tokens...) {
		l.meter.SetRate(c.key, c.rate.N, c.rate.Per)
	}
	for _, c := range b.tokens {
		if est.Tokens > c.rate.N {
			return 0, c.whose, ""
		}
	}
	if ok, wait := l.meter.Take(now, 1, keys(b.requests)...); !ok {
		return wait, "", l.slowest(now, 1, b.requests)
	}
	if ok, wait := l.meter.Take(now, est.Tokens, keys(b.tokens)...); !ok {
		l.meter.Give(now, 1, keys(b.requests)...)
		return wait, "", l.slowest(now, est.Tokens, b.tokens)
	}
	return 0, "", ""
}

// slowest is whose rate lets n through last. The caller holds mu.
func (l *ledger) slowest(now time.Time, n int64, list []counter) (whose string) {
	var last time.Duration
	for _, c := range list {
		ok, wait := l.meter.Take(now, n, c.key)
		if ok {
			l.meter.Give(now, n, c.key)
		} else if wait > last {
			last, whose = wait, c.whose
		}
	}
	return whose
}

// settle ends a reservation; paced says that the rates counted it.
func (l *ledger) settle(b bill, est, actual broker.Spend, paced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meter.Settle(est.Tokens, actual.Tokens, keys(b.budget)...)
	l.meter.Settle(est.MicroUSD, actual.MicroUSD, keys(b.money)...)
	if paced && actual.Tokens < est.Tokens {
		l.meter.Give(l.now(), est.Tokens-max(actual.Tokens, 0), keys(b.tokens)...)
	}
	if err := l.save(b); err != nil {
		l.log.Error("what is spent cannot be written", "file", l.path, "err", err)
	}
}

func (l *ledger) slow(b bill, requests, tokens int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range b.requests {
		if requests >= 0 && strings.HasPrefix(c.key, "machine\x00") {
			l.meter.Slow(l.now(), c.key, requests)
		}
	}
	for _, c := range b.tokens {
		if tokens >= 0 && strings.HasPrefix(c.key, "machine\x00") {
			l.meter.Slow(l.now(), c.key, tokens)
		}
	}
}

// forget drops what an execution's own parameters counted.
func (l *ledger) forget(execution string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meter.ForgetBelow("execution\x00" + execution + "\x00")
}

// save writes the budgets of today when one of the bill is of a day. Yesterday's
// are left out.
func (l *ledger) save(b bill) error {
	if l.path == "" || !daily(b.budget) && !daily(b.money) {
		return nil
	}
	today := "day\x00" + time.Now().UTC().Format(time.DateOnly) + "\x00"
	now := map[string]int64{}
	for key, n := range l.spent {
		if strings.HasPrefix(key, today) {
			now[key] = n
		}
	}
	l.meter.Spent(func(key string, spent int64) {
		if strings.HasPrefix(key, today) {
			now[key] = spent
		}
	})
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return replaceFile(l.path, text)
}

func replaceFile(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

func daily(list []counter) bool {
	for _, c := range list {
		if strings.HasPrefix(c.key, "day\x00") {
			return true
		}
	}
	return false
}

func keys(list []counter) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.key
	}
	return out
}
