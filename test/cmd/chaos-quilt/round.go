package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/test/system"
)

func contains(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }

// round is one restart under the running fleet.
func (f *fleet) round(ctx context.Context, t *tally, kind string, r int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := f.fill(ctx); err != nil {
		return err
	}
	before, err := f.quilt.awaitStatus(ctx, 0)
	if err != nil {
		return err
	}
	boxes, err := containers(int(before.LauncherPid))
	if err != nil {
		return err
	}
	defer boxes.close()
	if boxes.count() < f.size {
		return fmt.Errorf("%d containers for %d executions", boxes.count(), f.size)
	}
	if kind == "planned" {
		return f.planned(ctx, t, before, boxes)
	}
	victim, name := before.Pid, "engine"
	if r%2 == 1 {
		victim, name = before.LauncherPid, "launcher"
	}
	return f.kill(ctx, t, before, boxes, int(victim), fmt.Sprintf("round %2d  kill -9 %-9s", r+1, name))
}

func (f *fleet) kill(ctx context.Context, t *tally, before *quiltv1.StatusResponse, boxes *boxes, victim int, what string) error {
	gone := make(chan time.Duration, 1)
	began := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		return err
	}
	go func() { gone <- boxes.await(began) }()
	after, err := f.quilt.awaitStatus(ctx, before.Epoch)
	if err != nil {
		return err
	}
	serving := time.Since(began)
	dead := <-gone
	t.gone, t.serving = append(t.gone, dead), append(t.serving, serving)
	held, err := f.quilt.raw.Leases(ctx, &quiltv1.LeasesRequest{})
	if err != nil {
		return err
	}
	if len(held.Leases)+len(held.Waits) > 0 {
		t.doubled++
		fmt.Printf("after the crash somebody holds: %v\n", held)
	}
	fmt.Printf("%s  containers dead after %3d ms, serving after %3d ms, epoch %d\n", what, dead.Milliseconds(), serving.Milliseconds(), after.Epoch)
	for _, m := range f.members {
		select {
		case <-m.ended:
		case <-ctx.Done():
			return fmt.Errorf("execution %s never ended", m.id)
		}
	}
	return f.audit(ctx, t)
}

// audit holds what was said against what is stored: all that was acknowledged
// is there, and at most the one write that was under way is beyond it.
func (f *fleet) audit(ctx context.Context, t *tally) error {
	stored, err := f.stored(ctx)
	if err != nil {
		return err
	}
	for i, m := range f.members {
		m.mu.Lock()
		if stored[i] < m.said {
			t.lost++
			fmt.Printf("%s: %d was acknowledged, %d is stored\n", m.ns, m.said, stored[i])
		}
		if stored[i] > m.said+1 || m.gaps > 0 {
			t.doubled++
			fmt.Printf("%s: %d was said, %d is stored, %d gaps\n", m.ns, m.said, stored[i], m.gaps)
		}
		m.said, m.gaps = stored[i], 0
		m.mu.Unlock()
	}
	return nil
}

// delayedWrites writes with every fence but the last of each namespace, as a
// writer would that slept through the crash. The result is how many came through.
func (f *fleet) delayedWrites(ctx context.Context) (applied int, err error) {
	s, err := store.Open(f.quilt.dir+"/quilt", discard())
	if err != nil {
		return 0, err
	}
	defer s.Close()
	tried := 0
	for _, m := range f.members {
		for _, fence := range m.fences[:max(0, len(m.fences)-1)] {
			tried++
			_, err := s.Write(ctx, store.Write{Space: store.Space{Name: m.ns}, Key: "k", Kind: store.Put, Value: []byte("-1"), Fence: fence})
			if err == nil {
				applied++
			}
		}
		if !slices.IsSorted(m.fences) {
			return applied, fmt.Errorf("%s: fences fell: %x", m.ns, m.fences)
		}
	}
	fmt.Printf("%d writes of old leases tried, %d applied\n", tried, applied)
	return applied, nil
}

// boxes are containers, by descriptors that become readable when they end.
type boxes struct{ fds []int }

func containers(launcher int) (*boxes, error) {
	b := &boxes{}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || parent(pid) != launcher || !system.InContainer(pid) {
			continue
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			b.fds = append(b.fds, fd)
		}
	}
	return b, nil
}

func parent(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	n, _ := strconv.Atoi(fields[1])
	return n
}

func (b *boxes) count() int { return len(b.fds) }

// ended is how many are gone.
func (b *boxes) ended() int {
	n := 0
	for _, fd := range b.fds {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if ready, _ := unix.Poll(p, 0); ready > 0 {
			n++
		}
	}
	return n
}

// await blocks until the last has ended, for at most 10 s.
func (b *boxes) await(began time.Time) time.Duration {
	for _, fd := range b.fds {
		for left := 10*time.Second - time.Since(began); left > 0; left = 10*time.Second - time.Since(began) {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(p, int(left.Milliseconds())); err == nil && n > 0 {
				break
			}
		}
	}
	return time.Since(began)
}

func (b *boxes) close() {
	for _, fd := range b.fds {
		unix.Close(fd)
	}
}
