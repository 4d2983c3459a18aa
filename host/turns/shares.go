package turns

// Shares divides a number of places among keys, such as accounts or client addresses. Its
// fields may be changed, but Places not below the places taken. Only one goroutine at a
// time may use it.
type Shares[K comparable] struct {
	Places int // taken at a time; 0 is none
	PerKey int // places of one key; 0 is no limit

	// Spare is how many places are shared out more strictly: once no more than Spare are
	// free, a key that has a place gets another only if it has fewer than are free. So
	// one key can have most places, but leaves some for others, and each of these leaves
	// some again. 0 is none.
	Spare int

	taken int
	held  map[K]int // places by key, without zeros
}

// Take takes a place for a key. It returns false if the key may not have one.
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

// Give gives back a place of a key.
func (s *Shares[K]) Give(key K) {
	s.taken--
	if s.held[key]--; s.held[key] == 0 {
		delete(s.held, key)
	}
}

// Taken is the number of places taken.
func (s *Shares[K]) Taken() int { return s.taken }
