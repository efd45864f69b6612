package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

// orphanTime is how long the containers of a crashed engine may take to die of
// one signal before they are stopped first and then killed.
const orphanTime = 50 * time.Millisecond

// front makes w the engine that hears how containers end.
func (l *launcher) front(w *worker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engine = w
}

// highest is the highest number that names a container or request so far.
func (l *launcher) highest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// report tells the engine, or keeps it for the next one. Order is kept.
func (l *launcher) report(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moving {
		l.backlog = append(l.backlog, m)
		return
	}
	if l.engine != nil {
		_ = l.engine.conn.send(m)
	}
}

// move tells w to leave. It has heard all that was reported before, and what
// comes now is for its successor.
func (l *launcher) move(w *worker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving = true
	_ = w.conn.send(message{Op: "yield"})
}

// settle gives next all that w left: containers with their descriptors, the
// exits that nobody heard, and w's own files. The result is how many containers
// it got.
func (l *launcher) settle(w, next *worker) (kept int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, fds := range w.kept {
		// Of one that has ended meanwhile there is no pidfd to give, but an exit in
		// the backlog.
		take := message{Op: "take", N: n, Gate: len(fds) == 4}
		if r := l.live[n]; r == nil || r.with(func(pidfd int) { _ = next.conn.send(take, append(fds[:len(fds):len(fds)], pidfd)...) }) != nil {
			_ = next.conn.send(take, fds...)
		}
		kept++
	}
	for _, m := range l.backlog {
		_ = next.conn.send(m)
	}
	_ = next.conn.send(message{Op: "taken", Base: l.last}, w.files...)
	l.backlog, l.moving, l.engine = nil, false, next
	return kept
}

// orphan kills every container: who served them is gone. It does not wait.
func (l *launcher) orphan() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.era++
	all := make([]*running, 0, len(l.live))
	for _, r := range l.live {
		all = append(all, r)
	}
	for _, r := range all {
		r.orphan.Store(true)
		r.signal(unix.SIGKILL)
	}
	time.AfterFunc(orphanTime, func() {
		for _, r := range all {
			if !r.over.Load() {
				l.kill(r)
			}
		}
	})
	return len(all)
}

const (
	// rushTime is how long an engine may take to come up after a crash before what is
	// left of dead containers is removed all the same.
	rushTime = 400 * time.Millisecond
	// calmTime is how long an engine that came up is left alone with those who waited.
	calmTime = 100 * time.Millisecond
	// brooms is how many orphans are removed at once.
	brooms = 2
)

// patient waits while an engine comes up after a crash, and for its turn: the groups
// of hundreds of dead containers are no hurry, and removing them, a thread for each,
// would take the processors that the engine needs. The result ends the turn.
func (l *launcher) patient() (done func()) {
	l.mu.Lock()
	rush := l.rush
	l.mu.Unlock()
	if rush != nil {
		<-rush
	}
	l.brooms <- struct{}{}
	return func() { <-l.brooms }
}

// hurry begins a rush.
func (l *launcher) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rush == nil {
		l.rush = make(chan struct{})
		l.weigh()
		time.AfterFunc(rushTime, l.calm)
	}
}

// condemn lets all containers weigh more until r is dead: the group of r has nearly
// all of that, and a fork bomb takes long to die beside work of others.
func (l *launcher) condemn(r *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.doomed && !r.over.Load() {
		r.doomed = true
		l.dying++
		l.weigh()
	}
}

// passed notes that the last process of r is dead.
func (l *launcher) passed(r *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.over.Store(true)
	if r.doomed {
		l.dying--
		l.weigh()
	}
}

// weigh gives the containers their weight of this moment. It is called with mu held.
func (l *launcher) weigh() {
	weight := baseWeight
	if l.rush != nil || l.dying > 0 {
		weight = dyingWeight
	}
	if l.weight != weight {
		l.weight = weight
		l.tree.weigh(l.tree.base, weight)
	}
}

// calm ends it.
func (l *launcher) calm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rush != nil {
		close(l.rush)
		l.rush = nil
		l.weigh()
	}
}
