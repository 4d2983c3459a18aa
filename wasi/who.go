package wasi

import (
	"encoding/binary"
	"net/netip"
)

// Who describes a session of the host, for session_list.
//
//	0 u64 number · 8 i64 began (ns since 1970) · 16 u64 bytes · 24 address record of the client
//	44 u32 doing · 48 u16 length of user · 50 u16 length of name · 52 user, name
type Who struct {
	Number uint64 // counts up from 1 for the life of the server
	Began  int64
	Bytes  uint64 // moved so far by the transfer, hash or copy that Doing names
	Client netip.AddrPort
	Doing  uint32
}

// AppendWho appends the record to b. It reports false, and leaves b as it was,
// when the record does not fit in b's capacity. A user or a name longer than
// [MaxWho] is cut off there.
func AppendWho(b []byte, w Who, user, name string) ([]byte, bool) {
	user, name = user[:min(len(user), MaxWho)], name[:min(len(name), MaxWho)]
	if cap(b)-len(b) < WhoSize+len(user)+len(name) {
		return b, false
	}
	at := len(b)
	b = b[:at+WhoSize]
	binary.LittleEndian.PutUint64(b[at:], w.Number)
	binary.LittleEndian.PutUint64(b[at+8:], uint64(w.Began))
	binary.LittleEndian.PutUint64(b[at+16:], w.Bytes)
	PutAddr(b[at+24:], w.Client)
	binary.LittleEndian.PutUint32(b[at+44:], w.Doing)
	binary.LittleEndian.PutUint16(b[at+48:], uint16(len(user)))
	binary.LittleEndian.PutUint16(b[at+50:], uint16(len(name)))
	b = append(b, user...)
	return append(b, name...), true
}

// MaxWho is the most bytes of a user or a name that a session record has.
const MaxWho = 1024

// NextWho takes the first session record off b. The user and the name are parts
// of b. ok is false when b holds no whole record.
func NextWho(b []byte) (w Who, user, name, rest []byte, ok bool) {
	if len(b) < WhoSize {
		return Who{}, nil, nil, nil, false
	}
	u := int(binary.LittleEndian.Uint16(b[48:]))
	n := int(binary.LittleEndian.Uint16(b[50:]))
	if len(b) < WhoSize+u+n {
		return Who{}, nil, nil, nil, false
	}
	w = Who{
		Number: binary.LittleEndian.Uint64(b), Began: int64(binary.LittleEndian.Uint64(b[8:])),
		Bytes: binary.LittleEndian.Uint64(b[16:]), Client: GetAddr(b[24:]), Doing: binary.LittleEndian.Uint32(b[44:]),
	}
	return w, b[WhoSize : WhoSize+u], b[WhoSize+u : WhoSize+u+n], b[WhoSize+u+n:], true
}
