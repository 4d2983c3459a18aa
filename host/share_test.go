package host

import "testing"

// take counts how many a party gets.
func (s *shares[P]) takeAll(party P) (n int) {
	for s.take(party) {
		n++
	}
	return n
}

// Whatever one party takes, there is some left, and however little there is, one
// party gets one.
func TestThreat37Shares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, spare int
		want        []int // what the first party can take, then the next, and so on
	}{
		{1, 1, []int{1, 0}},
		{2, 1, []int{1, 1, 0}},
		{4, 1, []int{3, 1, 0}},
		{100, 13, []int{87, 7, 3, 2, 1, 0}},
		{8, 4, []int{4, 2, 1, 1, 0}},
		{0, 0, []int{0, 0}},
	} {
		s := newShares[int](c.size, c.spare)
		for party, want := range c.want {
			if got := s.takeAll(party); got != want {
				t.Errorf("of %d, %d spare, party %d gets %d, not %d", c.size, c.spare, party, got, want)
			}
		}
		for party, n := range c.want {
			for range n {
				s.give(party)
			}
		}
		if s.free != c.size || len(s.held) > 0 {
			t.Errorf("given back, %d are free of %d, and %v is held", s.free, c.size, s.held)
		}
	}
}
