package wasi

import (
	"encoding/binary"
	"net/netip"
)

// Who describes a session of the host, for session_list.
//
//	0 u64 number · 8 i64 began (ns since 1970) · 16 u64 bytes · 24 address record of the client
//	44 u16 doing · 46 u16 length of program · 48 u16 length of user · 50 u16 length of name · 52 user, name, program
type Who struct {
	Number  uint64 // counts up from 1 for the life of the server
	Began   int64
	Bytes   uint64 // moved so far by the transfer, hash or copy that Doing names
	Client  netip.AddrPort
	Doing   uint16
	User    []byte // the account's name; empty before the login
	Name    []byte // of the file that Doing is about
	Program []byte // what the client calls its own program; empty for a guest before ABI version 7
}

// AppendWho appends the record to b. It reports false, and leaves b as it was,
// when the record does not fit in b's capacity. A text longer than [MaxWho] is cut off there.
func AppendWho(b []byte, w Who) ([]byte, bool) {
	for _, text := range []*[]byte{&w.User, &w.Name, &w.Program} {
		*text = (*text)[:min(len(*text), MaxWho)]
	}
	if cap(b)-len(b) < WhoSize+len(w.User)+len(w.Name)+len(w.Program) {
		return b, false
	}
	at := len(b)
	b = b[:at+WhoSize]
	binary.LittleEndian.PutUint64(b[at:], w.Number)
	binary.LittleEndian.PutUint64(b[at+8:], uint64(w.Began))
	binary.LittleEndian.PutUint64(b[at+16:], w.Bytes)
	PutAddr(b[at+24:], w.Client)
	binary.LittleEndian.PutUint16(b[at+44:], w.Doing)
	binary.LittleEndian.PutUint16(b[at+46:], uint16(len(w.Program)))
	binary.LittleEndian.PutUint16(b[at+48:], uint16(len(w.User)))
	binary.LittleEndian.PutUint16(b[at+50:], uint16(len(w.Name)))
	return append(append(append(b, w.User...), w.Name...), w.Program...), true
}

// MaxWho is the most bytes of a user, a name or a program that a session record has.
const MaxWho = 1024

// NextWho takes the first session record off b. Its texts are parts of b. ok is false when b
// holds no whole record.
func NextWho(b []byte) (w Who, rest []byte, ok bool) {
	if len(b) < WhoSize {
		return Who{}, nil, false
	}
	user := WhoSize + int(binary.LittleEndian.Uint16(b[48:]))
	name := user + int(binary.LittleEndian.Uint16(b[50:]))
	program := name + int(binary.LittleEndian.Uint16(b[46:]))
	if len(b) < program {
		return Who{}, nil, false
	}
	return Who{
		Number: binary.LittleEndian.Uint64(b), Began: int64(binary.LittleEndian.Uint64(b[8:])),
		Bytes: binary.LittleEndian.Uint64(b[16:]), Client: GetAddr(b[24:]), Doing: binary.LittleEndian.Uint16(b[44:]),
		User: b[WhoSize:user], Name: b[user:name], Program: b[name:program],
	}, b[program:], true
}
