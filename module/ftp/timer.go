package ftp

// timers is a binary heap of the sessions that have a deadline, the earliest first. A
// session's slot is its index in it.
type timers []*session

// due is the session with the earliest deadline, nil if that is yet to come.
func (t timers) due(now int64) *session {
	if len(t) == 0 || t[0].deadline > now {
		return nil
	}
	return t[0]
}

// next is the earliest deadline, 0 if there is none.
func (t timers) next() int64 {
	if len(t) == 0 {
		return 0
	}
	return t[0].deadline
}

// set changes a session's deadline; 0 is none.
func (t *timers) set(s *session, deadline int64) {
	switch {
	case deadline == s.deadline:
	case s.deadline == 0:
		s.deadline = deadline
		s.slot = len(*t)
		*t = append(*t, s)
		t.up(s.slot)
	case deadline == 0:
		t.remove(s)
	default:
		s.deadline = deadline
		t.fix(s.slot)
	}
}

func (t *timers) remove(s *session) {
	h := *t
	last := len(h) - 1
	i := s.slot
	h.swap(i, last)
	h[last] = nil
	*t = h[:last]
	s.deadline = 0
	if i < last {
		t.fix(i)
	}
}

func (t timers) fix(i int) {
	t.up(i)
	t.down(i)
}

func (t timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t[parent].deadline <= t[i].deadline {
			return
		}
		t.swap(i, parent)
		i = parent
	}
}

func (t timers) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(t) {
			return
		}
		if right := child + 1; right < len(t) && t[right].deadline < t[child].deadline {
			child = right
		}
		if t[i].deadline <= t[child].deadline {
			return
		}
		t.swap(i, child)
		i = child
	}
}

func (t timers) swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}
