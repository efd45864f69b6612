package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slot is what a container needs and what can be prepared before anybody asks:
// a range of host ids with its user namespace, an empty network namespace, a
// cgroup. A background thread keeps a few ready, because the network namespace
// alone costs more than all the other namespaces together.
type slot struct {
	index   int
	users   *userRange
	netns   int
	gate    int // a TCP socket in the network namespace, not bound yet
	group   *cgroup
	tasks   []int // v1: open tasks files of the group
	dir     int   // v2: the group's folder; else -1
	failure error // why it could not be prepared
}

// userRange belongs to one live container at a time and is used again after it.
type userRange struct {
	id int // of the container's user, as the launcher sees it
	fd int // its user namespace
}

type slotPool struct {
	ready chan *slot
	stop  chan struct{}
	ended chan struct{}

	tree *hierarchy
	ids  idPlan

	mu   sync.Mutex
	free []*userRange
	made int
	next int
}

const readySlots = 4

// newSlots starts the thread that prepares slots.
func newSlots(tree *hierarchy, ids idPlan) *slotPool {
	s := &slotPool{
		ready: make(chan *slot, readySlots),
		stop:  make(chan struct{}), ended: make(chan struct{}),
		tree: tree, ids: ids,
	}
	ownThread(s.fill)
	return s
}

// fill has a thread of its own: each slot moves it into a new network namespace.
func (s *slotPool) fill() {
	defer close(s.ended)
	// A container that starts now matters more than one that may come.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 5)
	for {
		sl := s.patient()
		select {
		case s.ready <- sl:
		case <-s.stop:
			s.discard(sl)
			return
		}
	}
}

// patient tries for two seconds while the host is short of something, because
// containers that end give it back; whoever waits for a slot waits with it.
func (s *slotPool) patient() *slot {
	for range 40 {
		sl := s.prepare()
		if !shortage(sl.failure) {
			return sl
		}
		_ = s.discard(sl)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.stop:
			return s.prepare()
		}
	}
	return s.prepare()
}

func (s *slotPool) prepare() *slot {
	s.mu.Lock()
	s.next++
	sl := &slot{index: s.next, netns: -1, gate: -1, dir: -1}
	s.mu.Unlock()
	if sl.users, sl.failure = s.takeRange(); sl.failure != nil {
		return sl
	}
	if sl.netns, sl.failure = newNetns(); sl.failure != nil {
		return sl
	}
	if sl.gate, sl.failure = newGate(); sl.failure != nil {
		return sl
	}
	if sl.group, sl.failure = s.tree.create("c" + strconv.Itoa(sl.index)); sl.failure != nil {
		return sl
	}
	sl.tasks, sl.dir, sl.failure = sl.group.entrances()
	return sl
}

// closeDoors closes what only a start needs. What the container is in by then
// stays; an open network namespace would outlive it.
func (sl *slot) closeDoors() {
	closeAll(append(sl.tasks, sl.netns, sl.gate, sl.dir))
	sl.tasks, sl.netns, sl.gate, sl.dir = nil, -1, -1, -1
}

// discard gives a slot's parts back. Its container, if it had one, is gone.
func (s *slotPool) discard(sl *slot) error {
	sl.closeDoors()
	var err error
	if sl.group != nil {
		err = sl.group.remove()
	}
	// A group that would not go may still hold a process with these ids, so the
	// range is not used again.
	if sl.users != nil && err == nil {
		s.mu.Lock()
		s.free = append(s.free, sl.users)
		s.mu.Unlock()
	}
	return err
}

// close ends the thread and removes what was prepared.
func (s *slotPool) close() {
	close(s.stop)
	<-s.ended
	for {
		select {
		case sl := <-s.ready:
			_ = s.discard(sl)
		default:
			for _, u := range s.free {
				unix.Close(u.fd)
			}
			return
		}
	}
}

func (s *slotPool) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

func (s *slotPool) takeRange() (*userRange, error) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		u := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return u, nil
	}
	n := s.made
	s.made++
	s.mu.Unlock()
	id, ids, err := s.ids.of(n)
	if err != nil {
		return nil, err
	}
	fd, err := newMappedUserns(ids, ids)
	if err != nil {
		s.mu.Lock()
		if n == s.made-1 {
			s.made-- // nobody has the range
		}
		s.mu.Unlock()
		return nil, fmt.Errorf("user namespace: %w", err)
	}
	return &userRange{id: id, fd: fd}, nil
}

// newNetns moves the calling thread into a new network namespace and opens it.
// Its loopback is down; nothing is in it.
func newNetns() (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return -1, fmt.Errorf("network namespace: %w", err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("network namespace: %w", err)
	}
	return fd, nil
}

// idPlan says which ids of the launcher's namespace containers have.
type idPlan struct {
	base  int // the first
	count int // how many there are; 0: one for all of them
	each  int // of one container
}

// of is the id of the user of the nth container, and the map of its user namespace
// (user_namespaces(7)): the whole range from 0 on, or that one user.
func (p idPlan) of(n int) (id int, ids string, err error) {
	base := p.base + n*p.each
	switch {
	case p.count == 0:
		return p.base, fmt.Sprintf("%d %d 1\n", containerUID, p.base), nil
	case (n+1)*p.each > p.count:
		return 0, "", fmt.Errorf("all %d ids from %d on are taken", p.count, p.base)
	case p.each == 1:
		return base, fmt.Sprintf("%d %d 1\n", containerUID, base), nil
	}
	return base + containerUID, fmt.Sprintf("0 %d %d\n", base, p.each), nil
}

// ids are those of root from UIDBase on, or, without root, those of the namespace.
func (c LauncherConfig) ids() idPlan {
	switch {
	case !c.Rootless:
		return idPlan{c.UIDBase, 1<<32 - 2 - c.UIDBase, idRange}
	case c.IDs == 0:
		return idPlan{} // 0 is the user itself
	}
	return idPlan{1, c.IDs, 1}
}

// newMappedUserns makes a user namespace that is held open by the descriptor
// alone. It needs a process for a moment: a clone that only sleeps.
func newMappedUserns(uidMap, gidMap string) (int, error) {
	pid, pidfd, err := sleeper(unix.CLONE_NEWUSER)
	if err != nil {
		return -1, err
	}
	defer func() {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		reap(pidfd)
		unix.Close(pidfd)
	}()
	for f, ids := range map[string]string{"uid_map": uidMap, "gid_map": gidMap} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, f), []byte(ids), 0); err != nil {
			return -1, err
		}
	}
	return unix.Open(fmt.Sprintf("/proc/%d/ns/user", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}
