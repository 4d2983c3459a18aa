package turns

import "testing"

// takeAll counts how many a key gets.
func (s *Shares[K]) takeAll(key K) (n int) {
	for s.Take(key) {
		n++
	}
	return n
}

// TestThreat37Shares: whatever one key takes, there is some left, and however little
// there is, one key gets one.
func TestThreat37Shares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shares Shares[int]
		want   []int // what the first key can take, then the next, and so on
	}{
		{Shares[int]{Places: 1, Spare: 1}, []int{1, 0}},
		{Shares[int]{Places: 2, Spare: 1}, []int{1, 1, 0}},
		{Shares[int]{Places: 4, Spare: 1}, []int{3, 1, 0}},
		{Shares[int]{Places: 100, Spare: 13}, []int{87, 7, 3, 2, 1, 0}},
		{Shares[int]{Places: 8, Spare: 4}, []int{4, 2, 1, 1, 0}},
		{Shares[int]{Places: 4}, []int{4, 0}},
		{Shares[int]{Places: 5, PerKey: 2}, []int{2, 2, 1, 0}},
		{Shares[int]{}, []int{0, 0}},
	} {
		s := c.shares
		for key, want := range c.want {
			if got := s.takeAll(key); got != want {
				t.Errorf("of %+v key %d gets %d, not %d", c.shares, key, got, want)
			}
		}
		for key, n := range c.want {
			for range n {
				s.Give(key)
			}
		}
		if s.Taken() != 0 || len(s.held) > 0 {
			t.Errorf("given back, %d are taken, and %v is held", s.Taken(), s.held)
		}
	}
}
