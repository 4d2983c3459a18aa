package wasm

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// segment is a part of the linear memory that the module fills before it starts.
type segment struct {
	at   uint64
	data []byte
}

func (s segment) end() uint64 { return s.at + uint64(len(s.data)) }

// maxGap is how many zeros may stand between two segments that are joined. The runtime keeps
// about as many bytes for each segment, and 24 more in each instance.
const maxGap = 64

// segments joins the data segments that follow each other closely. Go's linker leaves out
// every short run of zeros, and so makes 30,000 of them. Memory is zero before, so that the
// zeros between can be written too, if no segment lies over another.
func (m *meter) segments(d *decoder) []byte {
	content := d.rest
	segments := plainSegments(d)
	d.rest = nil
	if segments == nil || m.counted {
		return content
	}
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	var joined []segment
	var zeros [maxGap]byte
	for _, s := range segments {
		last := len(joined) - 1
		switch {
		case last >= 0 && s.at < joined[last].end():
			return content
		case last >= 0 && s.at-joined[last].end() <= maxGap:
			gap := zeros[:s.at-joined[last].end()]
			joined[last].data = append(append(joined[last].data, gap...), s.data...)
		default:
			joined = append(joined, segment{s.at, slices.Clone(s.data)})
		}
	}
	out := binary.AppendUvarint(nil, uint64(len(joined)))
	for _, s := range joined {
		out = append(appendSigned(append(out, 0, 0x41), int64(int32(s.at))), 0x0b) // active, i32.const, end
		out = append(binary.AppendUvarint(out, uint64(len(s.data))), s.data...)
	}
	return out
}

// plainSegments reads the segments of a data section. It returns nil if there is one of
// another kind than active ones at a constant address: then the runtime judges.
func plainSegments(d *decoder) []segment {
	segments := make([]segment, 0, d.count())
	for range cap(segments) {
		if d.byte() != 0 || d.byte() != 0x41 {
			return nil
		}
		at := d.address()
		if d.byte() != 0x0b {
			return nil
		}
		segments = append(segments, segment{uint64(at), d.bytes(d.uint())})
	}
	if d.err != nil || len(d.rest) > 0 {
		return nil
	}
	return segments
}
