package wasi

import "encoding/binary"

// Style is how LIST shows the files of an account that has [AbleStyle]:
//
//	0 u32 length of owner · 4 u32 length of group · 8 owner, group, and the changes of the zone
type Style struct {
	Owner, Group string // of all files; "" is ftp
	Zone         Zone   // of the times; "" is UTC
}

const styleSize = 8

// MaxStyle is the most bytes of the record that a guest takes.
const MaxStyle = 16 << 10

// Append appends the record to b.
func (s Style) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.Owner)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.Group)))
	return append(append(append(b, s.Owner...), s.Group...), s.Zone...)
}

// GetStyle reads the record that fills b. ok is false when b is not exactly one record.
func GetStyle(b []byte) (s Style, ok bool) {
	if len(b) < styleSize {
		return Style{}, false
	}
	owner, group := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	rest := b[styleSize:]
	if owner+group > uint64(len(rest)) || (uint64(len(rest))-owner-group)%zoneSize > 0 {
		return Style{}, false
	}
	return Style{string(rest[:owner]), string(rest[owner : owner+group]), Zone(rest[owner+group:])}, true
}
