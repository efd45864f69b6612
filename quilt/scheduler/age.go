package scheduler

// ageList are the waiting first requests of one rank, the longest there first.
type ageList struct{ head, tail *request }

func (l *ageList) push(q *request) {
	q.prevAged, q.nextAged = l.tail, nil
	if l.tail != nil {
		l.tail.nextAged = q
	} else {
		l.head = q
	}
	l.tail = q
}

func (l *ageList) drop(q *request) {
	if q.prevAged != nil {
		q.prevAged.nextAged = q.nextAged
	} else {
		l.head = q.nextAged
	}
	if q.nextAged != nil {
		q.nextAged.prevAged = q.prevAged
	} else {
		l.tail = q.prevAged
	}
	q.prevAged, q.nextAged = nil, nil
}

// ages: incremental requests and those of the first class do not rise.
func (q *request) ages() bool { return q.rank > 1 }

// age lets every first request that was long enough in its rank rise by one, so
// that nobody waits for ever behind more urgent ones. It grants nothing: the
// nodes are touched and the caller drains.
func (s *Scheduler) age(now int64) {
	for r := 2; r < ranks; r++ {
		l := &s.ageing[r]
		for q := l.head; q != nil && q.aged+int64(s.cfg.AgeAfter) <= now; q = l.head {
			l.drop(q)
			s.promote(q, now)
		}
	}
}

// promote moves q up one rank. The ranks are taken in rising order, so nobody
// rises twice in one step.
func (s *Scheduler) promote(q *request, now int64) {
	for i := range q.entries {
		q.entries[i].leave()
	}
	q.rank--
	q.aged = now
	for i := range q.entries {
		q.entries[i].enter()
	}
	if q.ages() {
		s.ageing[q.rank].push(q)
	}
	q.park(int(q.at))
	s.touch(q.entries[q.at].n)
}

func (s *Scheduler) nextAge() (at int64, ok bool) {
	for r := 2; r < ranks; r++ {
		if q := s.ageing[r].head; q != nil {
			if due := q.aged + int64(s.cfg.AgeAfter); !ok || due < at {
				at, ok = due, true
			}
		}
	}
	return at, ok
}
