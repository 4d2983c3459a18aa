package wasi

import "encoding/binary"

// Zone says how far the clocks of LIST are ahead of UTC, by records one after
// another in the order of time; "" is never. What the first has is true before
// it too. It is a whole number of records.
//
//	0 i64 since when (s since 1970) · 8 i32 how far (s)
type Zone string

const zoneSize = 12

// Then is the zone with one change more.
func (z Zone) Then(since int64, ahead int32) Zone {
	b := binary.LittleEndian.AppendUint64([]byte(z), uint64(since))
	return Zone(binary.LittleEndian.AppendUint32(b, uint32(ahead)))
}

// Changes calls yield for each record, until that returns false.
func (z Zone) Changes(yield func(since int64, ahead int32) bool) {
	for b := []byte(z); len(b) >= zoneSize; b = b[zoneSize:] {
		if !yield(int64(binary.LittleEndian.Uint64(b)), int32(binary.LittleEndian.Uint32(b[8:]))) {
			return
		}
	}
}
