package host

// shares divides things of which there are few among parties: accounts, or the
// addresses of clients. Whoever has none gets one while there is any. More than
// that a party gets while more than spare are free, and of the last spare ones as
// long as it holds fewer than it leaves. So one party alone can have most of
// them, but what it leaves is always enough for some others, and what they leave
// for others again.
type shares[P comparable] struct {
	free  int
	spare int
	held  map[P]int
}

func newShares[P comparable](size, spare int) shares[P] {
	return shares[P]{free: size, spare: spare, held: map[P]int{}}
}

func (s *shares[P]) take(party P) bool {
	held := s.held[party]
	if s.free == 0 || held > 0 && s.free <= s.spare && held >= s.free {
		return false
	}
	s.free--
	s.held[party] = held + 1
	return true
}

func (s *shares[P]) give(party P) {
	s.free++
	if s.held[party]--; s.held[party] == 0 {
		delete(s.held, party)
	}
}
