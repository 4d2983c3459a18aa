package wasi

import (
	"encoding/binary"
	"net/netip"
)

// Event kinds: what a step of the guest is told of.
const (
	EventOpen     = 1 + iota // a new control connection; Session is its handle; Value 1 says that it is under TLS already
	EventReadable            // Handle has bytes, its end, or (a listener) a connection
	EventWritable            // Handle has room again, or (after net_dial) is connected or failed with Errno
	EventReady               // the answer to the call that Session made is there
	EventTransfer            // the transfer of file Handle ended with Errno after Value bytes
	EventDrain               // no new work: Session, or for 0 all, end with 421 once they are idle
	EventClock               // the wall clock is at Value with this step, in ns since 1970, signed
	EventHangup              // the client of Session has hung up, though what it sent before is not read yet
	EventRights              // the account of Session now has the rights in the lower half of Value, the abilities in the upper
)

// Flags of file_stat, file_copy and transfer_start.
const (
	StatLink      = 1 // describe a link, not what it points to
	StatEnter     = 2 // describe a directory to be entered (CWD): EACCES if the account may not search it
	CopyAppend    = 1 // append to the file instead of replacing it
	TransferASCII = 1 // LF in the file, CRLF on the wire (RFC 959 §3.1.1.1)
)

// Flags of file_open. Without OpenWrite the file is read from offset on. OpenDir goes
// with no flag but OpenNames.
const (
	// an upload; a missing file is made; alone, it overwrites from offset on, and the bytes behind its last one stay
	OpenWrite     = 1 << iota
	OpenTruncate  // the old bytes go, but not before a new one has come or the upload is committed
	OpenAppend    // offset is ignored, bytes go to the end (APPE)
	OpenExclusive // EEXIST when there is such a file (STOU)
	OpenDir       // a directory
	OpenNames     // list the names of a directory only: all other fields of its records are zero
)

// Parts of net_tls.
const (
	TLSServer = 0
	TLSClient = 1
	TLSEnd    = 2
)

// What session_names is told by its parameter on.
const (
	NamesOther  = 0 // names are in the character set of the account's clients
	NamesUTF8   = 1 // names are UTF-8
	NameProgram = 2 // the name of the client's program
	NamesStyle  = 3 // no name: buf gets the account's [Style]
)

// Attributes of file_set.
const (
	SetTime = 0
	SetMode = 1
)

// Kinds of file_remove.
const (
	RemoveFile = 0
	RemoveDir  = 1
	RemoveTree = 2
)

// Algorithm is a hash function.
type Algorithm uint32

// Algorithms of transfer_hash.
const (
	HashSHA256 = iota
	HashSHA512
	HashSHA1
	HashMD5
	HashCRC32
	HashCount
)

// Sides of net_address.
const (
	Local = 0
	Peer  = 1
)

// Doing is the activity of a session, as SITE WHO shows it.
type Doing uint32

// Doings of a session.
const (
	DoingNothing  = iota
	DoingList     // it has a directory open
	DoingDownload // it fetches a file
	DoingUpload
	DoingHash
	DoingCopy
)

// File types, in bits 16 to 19 of a stat record's mode; the lower half has the
// permission bits: nine, set-user-ID (04000), set-group-ID (02000), sticky (01000).
const (
	TypeRegular = 0 << 16
	TypeDir     = 1 << 16
	TypeLink    = 2 << 16
	TypeOther   = 3 << 16
	TypeMask    = 0xf << 16
)

// Bits 20 to 26 of a stat record's mode are those rights of auth_login that the account
// lacks to this one file, the right 1 in bit 20. file_stat and file_list tell them. A host
// without rules for single files leaves them zero.
const (
	DeniedMask = 0x7f << 20
)

const deniedShift = 20

// Denied are the bits of a mode for rights that the account lacks to a file.
func Denied(rights Rights) uint32 { return uint32(rights) << deniedShift & DeniedMask }

// Denied are the rights that the account lacks to the file, of those that it has elsewhere.
func (s *Stat) Denied() Rights { return Rights(s.Mode & DeniedMask >> deniedShift) }

// Sizes of the fixed records, in bytes. All numbers are little-endian.
const (
	EventSize  = 24
	AddrSize   = 20
	StatSize   = 32
	DirentSize = StatSize + 4 // then the name, then the link's target
	WhoSize    = 52           // then the user, the name of the file, and the program
)

// Event is one thing that the host tells the guest in a step. The kind decides which of
// the fields have a meaning.
//
//	0 u16 kind · 2 u16 errno · 4 u32 session · 8 u32 handle · 12 u32 zero · 16 u64 value
type Event struct {
	Kind    uint16
	Errno   Errno
	Session uint32
	Handle  uint32
	Value   uint64
}

// Put writes the event into the first EventSize bytes of b.
func (e Event) Put(b []byte) {
	_ = b[EventSize-1]
	binary.LittleEndian.PutUint16(b[0:], e.Kind)
	binary.LittleEndian.PutUint16(b[2:], uint16(e.Errno))
	binary.LittleEndian.PutUint32(b[4:], e.Session)
	binary.LittleEndian.PutUint32(b[8:], e.Handle)
	binary.LittleEndian.PutUint32(b[12:], 0)
	binary.LittleEndian.PutUint64(b[16:], e.Value)
}

// RightsValue is the Value of an [EventRights].
func RightsValue(rights Rights, able Abilities) uint64 { return uint64(able)<<32 | uint64(rights) }

// Rights are what the Value of an [EventRights] says.
func (e Event) Rights() (Rights, Abilities) { return Rights(uint32(e.Value)), Abilities(e.Value >> 32) }

// GetEvent reads the event in the first EventSize bytes of b.
func GetEvent(b []byte) Event {
	_ = b[EventSize-1]
	return Event{
		Kind:    binary.LittleEndian.Uint16(b[0:]),
		Errno:   Errno(binary.LittleEndian.Uint16(b[2:])),
		Session: binary.LittleEndian.Uint32(b[4:]),
		Handle:  binary.LittleEndian.Uint32(b[8:]),
		Value:   binary.LittleEndian.Uint64(b[16:]),
	}
}

// PutAddr writes an address record.
//
//	0 u16 family (4 or 6) · 2 u16 port · 4 16 bytes address (IPv4 in the first four)
func PutAddr(b []byte, a netip.AddrPort) {
	_ = b[AddrSize-1]
	clear(b[:AddrSize])
	ip := a.Addr().Unmap()
	binary.LittleEndian.PutUint16(b[2:], a.Port())
	if ip.Is4() {
		binary.LittleEndian.PutUint16(b, 4)
		v4 := ip.As4()
		copy(b[4:], v4[:])
		return
	}
	binary.LittleEndian.PutUint16(b, 6)
	v6 := ip.As16()
	copy(b[4:], v6[:])
}

// GetAddr reads an address record. The result is not valid when the family is
// neither 4 nor 6. It has no zone. An IPv4 address mapped into IPv6 stays mapped,
// because the host must check the address as the guest sent it.
func GetAddr(b []byte) netip.AddrPort {
	_ = b[AddrSize-1]
	port := binary.LittleEndian.Uint16(b[2:])
	switch binary.LittleEndian.Uint16(b) {
	case 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case 6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[4:20])), port)
	}
	return netip.AddrPort{}
}

// Stat describes a file.
//
//	0 i64 mtime (ns since 1970) · 8 u64 size · 16 u32 mode (type, permissions and denied rights) · 20 u32 links
//	24 i64 created (ns since 1970, 0 for not known)
type Stat struct {
	ModTime int64
	Size    uint64
	Mode    uint32
	Links   uint32
	Created int64
}

// Put writes the record into the first StatSize bytes of b.
func (s Stat) Put(b []byte) {
	_ = b[StatSize-1]
	binary.LittleEndian.PutUint64(b[0:], uint64(s.ModTime))
	binary.LittleEndian.PutUint64(b[8:], s.Size)
	binary.LittleEndian.PutUint32(b[16:], s.Mode)
	binary.LittleEndian.PutUint32(b[20:], s.Links)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.Created))
}

// GetStat reads the record in the first StatSize bytes of b.
func GetStat(b []byte) Stat {
	_ = b[StatSize-1]
	return Stat{
		ModTime: int64(binary.LittleEndian.Uint64(b[0:])),
		Size:    binary.LittleEndian.Uint64(b[8:]),
		Mode:    binary.LittleEndian.Uint32(b[16:]),
		Links:   binary.LittleEndian.Uint32(b[20:]),
		Created: int64(binary.LittleEndian.Uint64(b[24:])),
	}
}

// AppendDirent appends a directory record to b. It reports false, and leaves b
// as it was, when the record does not fit in b's capacity. A name or a target
// longer than 65,535 bytes never fits.
//
//	0 stat record · 32 u16 length of name · 34 u16 length of target · 36 name, target
func AppendDirent(b []byte, s Stat, name, target string) ([]byte, bool) {
	if len(name) > 0xffff || len(target) > 0xffff || cap(b)-len(b) < DirentSize+len(name)+len(target) {
		return b, false
	}
	at := len(b)
	b = b[:at+DirentSize]
	s.Put(b[at:])
	binary.LittleEndian.PutUint16(b[at+StatSize:], uint16(len(name)))
	binary.LittleEndian.PutUint16(b[at+StatSize+2:], uint16(len(target)))
	b = append(b, name...)
	return append(b, target...), true
}

// Dirent is a directory record.
type Dirent struct {
	Stat
	Name, Target []byte // parts of the page
}

// GetDirent reads the first directory record of b, and returns its size in bytes. If b
// holds no whole record, that is 0.
func GetDirent(b []byte, d *Dirent) (size int) {
	if len(b) < DirentSize {
		return 0
	}
	p := (*[DirentSize]byte)(b)
	lengths := binary.LittleEndian.Uint32(p[StatSize:])
	name := DirentSize + int(lengths&0xffff)
	size = name + int(lengths>>16)
	if size > len(b) {
		return 0
	}
	d.ModTime = int64(binary.LittleEndian.Uint64(p[0:]))
	d.Size = binary.LittleEndian.Uint64(p[8:])
	d.Mode = binary.LittleEndian.Uint32(p[16:])
	d.Links = binary.LittleEndian.Uint32(p[20:])
	d.Created = int64(binary.LittleEndian.Uint64(p[24:]))
	d.Name, d.Target = b[DirentSize:name], b[name:size]
	return size
}

// NextDirent takes the first directory record off b. The name and the target
// are parts of b. ok is false when b holds no whole record.
func NextDirent(b []byte) (s Stat, name, target, rest []byte, ok bool) {
	var d Dirent
	size := GetDirent(b, &d)
	return d.Stat, d.Name, d.Target, b[size:], size > 0
}
