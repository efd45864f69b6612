package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// planned replaces the engine and holds the table of before against that of
// after. A second client asks all the time and notes how long it waited at most.
func (f *fleet) planned(ctx context.Context, t *tally, before *quiltv1.StatusResponse, boxes *boxes) error {
	table, err := f.table(ctx)
	if err != nil {
		return err
	}
	stop, longest := f.ask(ctx)
	began := time.Now()
	if err := syscall.Kill(int(before.LauncherPid), syscall.SIGUSR2); err != nil {
		return err
	}
	after, err := f.successor(ctx, before.Pid)
	took := time.Since(began)
	time.Sleep(300 * time.Millisecond)
	wait, refused := longest(), stop()
	if err != nil {
		return err
	}
	t.refused = append(t.refused, wait)
	if refused > 0 {
		t.lost++
		fmt.Printf("%d requests were refused\n", refused)
	}
	if gone := boxes.ended(); gone > 0 {
		t.lost += gone
		fmt.Printf("%d containers were lost\n", gone)
	}
	if after.Epoch != before.Epoch {
		t.lost++
		fmt.Printf("the epoch was %d and is %d\n", before.Epoch, after.Epoch)
	}
	now, err := f.table(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(table, now) {
		t.doubled++
		fmt.Printf("the table was\n%v\nand is\n%v\n", table, now)
	}
	fmt.Printf("planned restart of %d: engine %d is %d after %d ms, longest wait %d ms\n", boxes.count(), before.Pid, after.Pid, took.Milliseconds(), wait.Milliseconds())
	return f.goOn(ctx, t)
}

// goOn waits until every member has counted three times more.
func (f *fleet) goOn(ctx context.Context, t *tally) error {
	goals := make([]int64, len(f.members))
	for i, m := range f.members {
		m.mu.Lock()
		goals[i] = m.said + 3
		m.mu.Unlock()
	}
	for i, m := range f.members {
		goal := goals[i]
		for {
			m.mu.Lock()
			said, running, err, gaps := m.said, m.running, m.err, m.gaps
			m.mu.Unlock()
			if gaps > 0 {
				t.doubled++
				fmt.Printf("%s: %d numbers came twice or not at all\n", m.ns, gaps)
			}
			if !running {
				t.lost++
				fmt.Printf("execution %s ended: %v\n", m.id, err)
				break
			}
			if said >= goal || gaps > 0 {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("execution %s stands at %d", m.id, said)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// table is who holds what, in words.
func (f *fleet) table(ctx context.Context) ([]string, error) {
	r, err := f.quilt.raw.Leases(ctx, &quiltv1.LeasesRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, l := range r.Leases {
		out = append(out, fmt.Sprintf("%s %s %s %v %x %d %s %s", l.Id, l.Execution, l.Unit, l.Tokens, l.Fence, l.SinceUnixMs, l.Tenant, l.Class))
	}
	slices.Sort(out)
	return out, nil
}

// successor waits for another engine than pid.
func (f *fleet) successor(ctx context.Context, pid int64) (*quiltv1.StatusResponse, error) {
	for ctx.Err() == nil {
		s, err := f.quilt.awaitStatus(ctx, 0)
		if err == nil && s.Pid != pid {
			return s, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, errors.New("no other engine came")
}

// ask asks all the time for the table, waiting where nobody answers. longest is
// the longest that one answer took; stop ends it and gives the number of refusals.
func (f *fleet) ask(ctx context.Context) (stop func() int64, longest func() time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	var worst, refused atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			began := time.Now()
			for {
				_, err := f.quilt.raw.Leases(ctx, &quiltv1.LeasesRequest{}, grpc.WaitForReady(true))
				if err == nil || ctx.Err() != nil {
					break
				}
				if time.Since(began) > 5*time.Second {
					refused.Add(1)
					break
				}
			}
			if took := int64(time.Since(began)); ctx.Err() == nil && took > worst.Load() {
				worst.Store(took)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return func() int64 { cancel(); <-done; return refused.Load() }, func() time.Duration { return time.Duration(worst.Load()) }
}

// dismiss ends what still runs, and looks a last time.
func (f *fleet) dismiss(ctx context.Context, t *tally) error {
	for _, m := range f.members {
		if m.alive() {
			if _, err := f.quilt.api.Kill(ctx, m.id, "the test is over"); err != nil {
				return err
			}
			<-m.ended
		}
	}
	return f.audit(ctx, t)
}
