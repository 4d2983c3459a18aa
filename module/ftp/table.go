package ftp

import "math/bits"

// table holds the engine's sessions by their handles. It is a hash table with open
// addressing, of which at most half is taken. Go's own map takes several calls for each
// look-up, and calls are what costs in WebAssembly.
type table struct {
	slots []*session // their number is a power of two
	shift uint32     // of a product by which the first slot for a handle is chosen
	count int
}

func newTable(size uint32) table {
	return table{slots: make([]*session, size), shift: uint32(bits.LeadingZeros32(size) + 1)}
}

// home is the slot where the search for a handle begins.
func (t *table) home(h Handle) uint32 {
	return uint32(h) * 0x9e3779b1 >> t.shift // the golden ratio spreads handles that count up
}

// get returns the session of a handle, nil if there is none.
func (t *table) get(h Handle) *session {
	for i := t.home(h); ; i++ {
		s := t.slots[i&uint32(len(t.slots)-1)]
		if s == nil || s.handle == h {
			return s
		}
	}
}

// add adds a session whose handle is not in the table.
func (t *table) add(s *session) {
	if t.count++; 2*t.count > len(t.slots) {
		old := t.slots
		*t = table{count: t.count, slots: make([]*session, 2*len(old)), shift: t.shift - 1}
		for _, s := range old {
			if s != nil {
				t.place(s)
			}
		}
	}
	t.place(s)
}

func (t *table) place(s *session) {
	mask := uint32(len(t.slots) - 1)
	i := t.home(s.handle) & mask
	for t.slots[i] != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// remove takes a session out. Sessions behind it move up if their search passes its slot.
func (t *table) remove(s *session) {
	mask := uint32(len(t.slots) - 1)
	i := t.home(s.handle) & mask
	for t.slots[i] != s {
		i = (i + 1) & mask
	}
	t.count--
	for next := (i + 1) & mask; t.slots[next] != nil; next = (next + 1) & mask {
		if home := t.home(t.slots[next].handle) & mask; (next-home)&mask >= (next-i)&mask {
			t.slots[i] = t.slots[next]
			i = next
		}
	}
	t.slots[i] = nil
}
