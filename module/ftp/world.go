package ftp

import (
	"net/netip"

	"wasiftp/wasi"
)

// World is all that the engine can reach; each link target has its own. It must also be a
// [Transferer] or [Streams]. The engine finds these, and all that a world need not have, by
// type assertion.
//
// No method blocks. A method whose answer is not there yet returns [ErrAgain]; an event
// follows, and the engine then makes the same call again. Slices passed in or out are
// only lent for the time of the call.
type World interface {
	Sockets
	Accounts
	Files
}

// Handle names something the world holds for the engine: a session's control
// connection, a listener, a data connection, an open file or directory. Zero is
// never a handle.
type Handle uint32

// Sockets are the network.
type Sockets interface {
	// LocalAddress and PeerAddress are the two ends of a control connection.
	LocalAddress(session Handle) netip.AddrPort
	PeerAddress(session Handle) netip.AddrPort

	// Read reads bytes that have arrived; 0 without an error is the end of the
	// stream. After ErrAgain, EventReadable follows (see also Config.ShortReads).
	Read(conn Handle, p []byte) (int, error)

	// Write takes as much of p as there is room for. When it took less than
	// all, or nothing with ErrAgain, EventWritable follows.
	Write(conn Handle, p []byte) (int, error)

	// Listen opens a passive data port. family is 4, 6, or 0 for that of the control
	// connection; ErrName refuses one that the client cannot have. The address is
	// the one to tell the client. After ErrAgain, EventReady follows.
	Listen(session Handle, family int) (Handle, netip.AddrPort, error)

	// Accept takes the data connection that came to a listener. After
	// ErrAgain, EventReadable follows for the listener.
	Accept(listener Handle) (Handle, error)

	// Dial begins to connect to an active client. EventWritable follows, and says
	// whether that succeeded.
	Dial(session Handle, to netip.AddrPort) (Handle, error)

	// StartTLS begins TLS on a connection. On a control connection, the world drops
	// all bytes that have arrived, sends reply in the clear, and goes on after the
	// handshake. On a data connection reply is empty; EventWritable follows, and says
	// how the handshake went.
	StartTLS(conn Handle, reply []byte) error

	// Close closes any handle. For a session, it first sends all that was written,
	// and closes all that the session owns. For an upload that was not committed, it
	// aborts the upload.
	Close(h Handle)
}

// Accounts decide who may log in.
type Accounts interface {
	// Login checks the credentials and binds the account's files to the
	// session. It tells what the account may do, and what its files can do. It
	// may answer ErrAgain (EventReady follows), ErrPermission for wrong
	// credentials, ErrTooMany if the account may have no more sessions.
	Login(session Handle, user, password []byte) (Rights, Abilities, error)

	// Logout takes the account's files from the session (REIN).
	Logout(session Handle)
}

// Rights are what an account may do. The world enforces them; the engine only
// tells the client (the perm fact, RFC 3659 §7.5.5).
type Rights = wasi.Rights

// Files are the storage below an account's root. A name is relative to the
// root, without "." or ".." elements, "." being the root itself. Every method
// may answer ErrAgain; EventReady follows for the session.
type Files interface {
	// Stat describes a file. It follows a link, unless link is true.
	Stat(session Handle, name []byte, link bool) (FileInfo, error)

	// List opens a directory for ListNext; ErrNotDir is for any other file. With
	// namesOnly, only the names of the entries are valid.
	List(session Handle, name []byte, namesOnly bool) (Handle, error)

	// ListNext calls yield for some of the directory's next entries; the world
	// decides how many. It reports false if there were none left. The entry and its
	// slices are lent for the time of the call.
	ListNext(dir Handle, yield func(*Entry)) (more bool, err error)

	// Open opens a file for a transfer that begins at offset.
	Open(session Handle, name []byte, mode OpenMode, offset int64) (Handle, FileInfo, error)

	// Commit makes an upload final and closes it.
	Commit(file Handle) error

	Mkdir(session Handle, name []byte) error
	RemoveFile(session Handle, name []byte) error
	RemoveDir(session Handle, name []byte) error
	Rename(session Handle, from, to []byte) error

	// SetTime sets the modification time, in ns since 1970.
	SetTime(session Handle, name []byte, mtime int64) error

	// SetMode sets the nine permission bits and, for a directory, set-group-ID and
	// sticky, if the storage has these.
	SetMode(session Handle, name []byte, mode uint32) error
}

// OpenMode says what Open opens a file for.
type OpenMode uint8

// What a file can be opened for.
const (
	OpenRead    OpenMode = iota // RETR
	OpenReplace                 // STOR: the upload replaces what was there
	OpenResume                  // REST and STOR: the upload overwrites from offset on
	OpenAppend                  // APPE: the upload goes to the end; offset is ignored
	OpenUnique                  // STOU: a new file; ErrExist if there is such a file
)

// FileType tells files, directories and links apart.
type FileType uint8

// The types a file can have.
const (
	Regular FileType = iota
	Dir
	Link
	Other
)

// FileInfo describes a file.
type FileInfo struct {
	ModTime int64 // ns since 1970
	Size    uint64
	Type    FileType
	Mode    uint32 // the permission bits: nine, set-user-ID, set-group-ID, sticky
	Links   uint32
	Created int64  // ns since 1970; 0 if it is not known
	Denied  Rights // those of the account that it lacks to this file
}

var fileTypes = [...]FileType{
	wasi.TypeRegular >> 16: Regular, wasi.TypeDir >> 16: Dir, wasi.TypeLink >> 16: Link, wasi.TypeOther >> 16: Other,
}

// FileInfoOf converts the boundary's record of a file.
func FileInfoOf(s wasi.Stat) FileInfo {
	return FileInfo{
		ModTime: s.ModTime, Size: s.Size, Type: fileTypes[s.Mode>>16&3], Mode: s.Mode & 0o7777, Links: s.Links,
		Created: s.Created, Denied: s.Denied(),
	}
}

// Entry is a file in a directory.
type Entry struct {
	FileInfo
	Name   []byte
	Target []byte // of a link, even if FileInfo describes the file that it leads to
}

// Transferer is a [World] that moves a file's bytes itself: it is the server-DTP
// (RFC 959 §2.3).
type Transferer interface {
	// Start takes over the data connection, and moves bytes between it and the file
	// until the sender's end. EventTransfer follows with the result. With ascii it
	// converts LF in the file to CRLF on the wire and back (RFC 959 §3.1.1.1). length
	// is the most bytes of the file to move, 0 for no limit; an upload that has more
	// fails with ErrName. Closing the file gives the transfer up; no event follows
	// then.
	Start(file, conn Handle, ascii bool, length int64) error

	// Progress is how many bytes have crossed the data connection so far.
	Progress(file Handle) uint64
}

// Streams is a [World] that is no [Transferer]: the engine moves the bytes itself,
// between open files and data connections.
type Streams interface {
	// ReadFile reads on in a file that is open for reading; 0 without an error
	// is its end. WriteFile writes on in an upload; the world may take a part of p
	// only. Both may answer ErrAgain, as the methods of [Files].
	ReadFile(file Handle, p []byte) (int, error)
	WriteFile(file Handle, p []byte) (int, error)

	// Reset closes a data connection so that the client sees it broken: in stream
	// mode, a clean end would look like the end of the file.
	Reset(conn Handle)
}

// Hasher is a [World] that hashes files.
type Hasher interface {
	// Hash hashes the next length bytes of a file that is open for reading; 0 is all
	// that are left. It answers ErrAgain until EventTransfer has followed; then the
	// same call appends the hash to b. Close and time-outs are as for a transfer.
	Hash(file Handle, algorithm wasi.Algorithm, length int64, b []byte) ([]byte, error)

	// Progress is how many bytes have been hashed so far.
	Progress(file Handle) uint64
}

// Deflater is a [World] that compresses the bytes on data connections, in zlib format
// (MODE Z).
type Deflater interface {
	// Deflate has all bytes compressed that are written to a data connection from now
	// on, and all that are read expanded. level is 1 to 9, or 0 for the world's choice.
	Deflate(conn Handle, level int) error
}

// Namer is a [World] where clients may write names in a character set other than UTF-8.
type Namer interface {
	// Names says whether the session's names are UTF-8 from now on, or in the other
	// character set. It converts name, which was written as names were before, and
	// appends the result to b. ErrUnsupported: there is no other character set.
	Names(session Handle, utf8 bool, name, b []byte) ([]byte, error)
}

// ProgramNamer is a [World] that wants to know with which programs its clients come.
type ProgramNamer interface {
	// NameProgram tells what the client calls its own program (CLNT), which is any bytes.
	NameProgram(session Handle, program []byte)
}

// Styler is a [World] with accounts that have a style of LIST of their own.
type Styler interface {
	// Style is that of the session's account, which has AbleStyle. An error stands for the
	// style of the configuration.
	Style(session Handle) (Style, error)
}

// Style is how LIST shows files.
type Style struct {
	Owner, Group string       // of all files; "" is ftp
	Zone         []ZoneChange // in order of time; nil is UTC
}

// TLSStopper is a [World] that can end TLS before the control connection ends
// (CCC).
type TLSStopper interface {
	// StopTLS sends reply as the last bytes under TLS. The world drops all bytes that
	// the client still sends under TLS; the control connection then goes on in the
	// clear.
	StopTLS(session Handle, reply []byte) error
}

// TLSJoiner is a [World] that can play the client's part in TLS, for transfers
// between two servers (SSCN, CPSV).
type TLSJoiner interface {
	// JoinTLS is StartTLS for a data connection, whose other end plays the
	// server's part.
	JoinTLS(conn Handle) error
}

// Enterer is a [World] in which directories may be closed to the account.
type Enterer interface {
	// Enter checks that a directory can become the current one. ErrNotDir is for any
	// other file, ErrPermission for a directory in which the account can reach nothing.
	// It may answer ErrAgain, as the methods of [Files].
	Enter(session Handle, name []byte) error
}

// Spacer is a [World] that knows how much room a storage has.
type Spacer interface {
	// Space is how many bytes an upload to a directory could have. It may
	// answer ErrAgain, as the methods of [Files].
	Space(session Handle, name []byte) (uint64, error)
}

// Hosts is a [World] with virtual hosts.
type Hosts interface {
	// Host sets the virtual host of the next Login; an empty name is none. ErrNotExist
	// is for an unknown host.
	Host(session Handle, name []byte) error
}

// Abilities are what an account's files can do.
type Abilities = wasi.Abilities

// allAbilities are taken for granted before the login.
const allAbilities = wasi.AbleMkdir<<1 - 1

// UmaskSetter is a [World] that gives new files fewer permissions.
type UmaskSetter interface {
	// SetUmask sets which of the nine permission bits new files and directories do not
	// get, until the login ends. It may answer ErrAgain.
	SetUmask(session Handle, mask uint32) error
}

// SessionLister is a [World] that knows all sessions, those of other engines too.
type SessionLister interface {
	// Sessions calls yield for some of the sessions whose number is above after, in
	// order; the world decides how many, and none is the end. ErrPermission is for an
	// account that must not see them.
	Sessions(session Handle, after uint64, yield func(SessionInfo)) error
}

// SessionInfo describes a session. Its slices are lent for the time of the call.
type SessionInfo struct {
	Number uint64
	Began  int64  // ns since 1970
	Bytes  uint64 // moved so far by the transfer, hash or copy
	Client netip.AddrPort
	Doing  Doing
	User   []byte // empty before the login
	Name   []byte // of the file that it works on

	// Program is what the client calls its own program (CLNT); empty if it says nothing.
	Program []byte
}

// SessionKicker is a [World] that can end any session, those of other engines too.
type SessionKicker interface {
	// Kick ends the session with a number of [SessionInfo], and tells its client the text,
	// which may be empty. ErrPermission is for an account that must not do that, ErrNotExist
	// for a number that no session has, and ErrName for that of the session that asks.
	Kick(session Handle, number uint64, text []byte) error
}

// Doing is what a session does.
type Doing = wasi.Doing

// Linker is a [World] with symbolic links.
type Linker interface {
	// Symlink makes a link called name to the file target, which need not exist. It
	// may answer ErrAgain, as the methods of [Files].
	Symlink(session Handle, target, name []byte) error
}

// TreeRemover is a [World] that removes a directory with all that is in it.
type TreeRemover interface {
	// RemoveTree may answer ErrAgain, as the methods of [Files].
	RemoveTree(session Handle, name []byte) error
}

// Copier is a [World] that copies files.
type Copier interface {
	// Copy begins to copy a file to another, in place of its content or, if appends is
	// true, to its end. It may answer ErrAgain, and ErrName if both are the same file.
	// EventTransfer follows for the handle; time-outs are as for a transfer. Commit
	// then makes the copy final, and Close gives it up.
	Copy(session Handle, from, to []byte, appends bool) (Handle, error)

	// Progress is how many bytes have been copied so far.
	Progress(file Handle) uint64
}

// Error is a fault that the world reports to the engine. 0 is no fault.
type Error uint8

// The faults the engine tells apart. Any other fault is ErrStorage.
const (
	ErrAgain       Error = 1 + iota // not yet: an event follows
	ErrPermission                   // the account or the host's policy does not allow it
	ErrNotExist                     // no such file
	ErrExist                        // there is such a file
	ErrNotDir                       // a file where a directory is needed
	ErrIsDir                        // a directory where a file is needed
	ErrNotEmpty                     // the directory has entries
	ErrName                         // the storage cannot have such a name, or such an argument
	ErrBusy                         // somebody else holds it
	ErrNoSpace                      // the storage is full
	ErrQuota                        // the account's quota is used up, or the file would be too large
	ErrUnsupported                  // the storage cannot do this at all
	ErrTooMany                      // sessions, handles or ports are used up
	ErrRefused                      // nobody listens there
	ErrReset                        // the connection broke
	ErrTimeout                      // nothing happened for too long
	ErrCanceled                     // given up
	ErrSecurity                     // the TLS handshake failed, or does not resume the required session
	ErrOtherDisk                    // the other name is on another disk
	ErrStorage                      // the storage failed
)

var errorTexts = [...]string{
	ErrAgain: "not yet", ErrPermission: "not allowed", ErrNotExist: "no such file", ErrExist: "exists already",
	ErrNotDir: "not a directory", ErrIsDir: "is a directory", ErrNotEmpty: "not empty", ErrName: "bad name",
	ErrBusy: "in use", ErrNoSpace: "storage full", ErrQuota: "quota used up", ErrUnsupported: "not supported",
	ErrTooMany: "too many", ErrRefused: "refused", ErrReset: "connection broke", ErrTimeout: "timed out",
	ErrCanceled: "canceled", ErrSecurity: "TLS failed", ErrOtherDisk: "on another disk", ErrStorage: "storage failed",
}

// Error describes the fault in a few words that hold no secret of the host.
func (e Error) Error() string { return errorTexts[e] }
