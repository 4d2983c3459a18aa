package turns

// Shares divides places of which there are few among keys: accounts, or the
// addresses of clients. Its fields may be changed as long as no fewer places are
// left than are taken. It is for one goroutine at a time.
type Shares[K comparable] struct {
	Places int // taken at a time; 0 is none
	PerKey int // of them, by one key; 0 is no limit of its own

	// Spare is how many places a key with some leaves to others: of the last Spare
	// ones it gets more only as long as it has fewer than it leaves. So one alone
	// can have most of them, but what it leaves is enough for some others, and
	// what they leave for others again. 0 leaves none.
	Spare int

	taken int
	held  map[K]int // by those who hold any
}

// Take takes a place for a key, and reports false where that may not have one.
func (s *Shares[K]) Take(key K) bool {
	free, held := s.Places-s.taken, s.held[key]
	if free <= 0 || s.PerKey > 0 && held >= s.PerKey || held > 0 && free <= s.Spare && held >= free {
		return false
	}
	if s.held == nil {
		s.held = map[K]int{}
	}
	s.taken++
	s.held[key]++
	return true
}

// Give gives back a place that a key has.
func (s *Shares[K]) Give(key K) {
	s.taken--
	if s.held[key]--; s.held[key] == 0 {
		delete(s.held, key)
	}
}

// Taken is how many places are taken.
func (s *Shares[K]) Taken() int { return s.taken }
