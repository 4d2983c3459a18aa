package wasi

import "encoding/binary"

// Zone says how far the times in LIST are ahead of UTC; "" is UTC. It is a row of
// records, in the order of time, each with the offset from some time on. The offset of
// the first record holds before it, too.
//
//	0 i64 since when (s since 1970) · 8 i32 how far (s)
type Zone string

const zoneSize = 12

// Then is the zone with one more record: from since on, in s since 1970, clocks are ahead
// of UTC by so many seconds.
func (z Zone) Then(since int64, ahead int32) Zone {
	b := binary.LittleEndian.AppendUint64([]byte(z), uint64(since))
	return Zone(binary.LittleEndian.AppendUint32(b, uint32(ahead)))
}

// Changes calls yield for each record, until yield returns false.
func (z Zone) Changes(yield func(since int64, ahead int32) bool) {
	for b := []byte(z); len(b) >= zoneSize; b = b[zoneSize:] {
		if !yield(int64(binary.LittleEndian.Uint64(b)), int32(binary.LittleEndian.Uint32(b[8:]))) {
			return
		}
	}
}
