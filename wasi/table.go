// Package wasi is the boundary between the FTP engine (the guest) and the
// program that runs it (the host): the table of imports, the errno values and
// the layouts of the records that cross. Both sides use this one package, so
// neither can drift from the other.
//
// The package holds plain data: it opens no file and no connection.
package wasi

//go:generate go run ./gen

// Namespace is the import module under which the host offers the table.
const Namespace = "ftphost"

// ABIVersion is the result of the guest's export ftp_abi_version. It grows by
// one whenever a host or a guest built before the change would misbehave.
const ABIVersion = 7

// OldestABIVersion is that of the oldest guest which a host can serve: one of version 5 fails
// at an [EventRights], and must get none. One of version 5 or 6 must get no [Who.Program].
const OldestABIVersion = 5

// Exports are the functions that a guest exports, besides its memory.
var Exports = []Export{
	{Name: "_initialize", Text: "sets up the guest's runtime; called once, first"},
	{Name: "ftp_abi_version", Result: "i32", Text: "the ABI version the guest was built for"},
	{Name: "ftp_start", Params: []string{"i32"}, Result: "i32",
		Text: "starts the engine; the argument is the size in bytes of the configuration that config_read will " +
			"give; the result is an errno"},
	{Name: "ftp_step", Params: []string{"i64", "i32"}, Result: "i64",
		Text: "hands over the time (ns since 1970, never going back) and how many events wait in events_read; the " +
			"result is the time of the next step wanted even without events, 0 for none"},
}

// Export is a function the guest offers to the host.
type Export struct {
	Name   string
	Params []string // WebAssembly value types
	Result string   // a WebAssembly value type, "" for none
	Text   string
}

// Kind is the type of an import's parameter. It decides how many WebAssembly
// values carry the parameter, and what the host checks before it uses it.
type Kind uint8

const (
	Handle    Kind = iota // i32: a session, listener, data connection, file or directory
	Uint32                // i32: flags or a small number
	Int64                 // i64: an offset or a time
	In                    // i32 pointer, i32 length: bytes the host reads
	Out                   // i32 pointer, i32 capacity: bytes the host writes
	RetUint32             // i32 pointer to 4 bytes the host writes
	RetUint64             // i32 pointer to 8 bytes the host writes
	InAddr                // i32 pointer to an address record the host reads
	RetAddr               // i32 pointer to an address record the host writes
	RetStat               // i32 pointer to a stat record the host writes
)

// Size is how many bytes of guest memory a pointer of this kind covers. It is 0
// for a kind that is no pointer, and for one that has a length beside it.
func (k Kind) Size() uint32 {
	switch k {
	case RetUint32:
		return 4
	case RetUint64:
		return 8
	case InAddr, RetAddr:
		return AddrSize
	case RetStat:
		return StatSize
	}
	return 0
}

// Param is one named parameter of an import.
type Param struct {
	Name string
	Kind Kind
}

// Import is a function the host offers to the guest. Each returns an errno as
// an i32; every other result goes through a pointer.
type Import struct {
	Name   string
	Group  string
	Params []Param
	Text   string
}

// ValueTypes are the WebAssembly types of the import's parameters, "i32" or "i64".
func (i Import) ValueTypes() []string {
	var types []string
	for _, p := range i.Params {
		switch p.Kind {
		case Int64:
			types = append(types, "i64")
		case In, Out:
			types = append(types, "i32", "i32")
		default:
			types = append(types, "i32")
		}
	}
	return types
}

// Index of each import in [Table].
const (
	ConfigRead = iota
	EventsRead
	NetAddress
	NetRead
	NetWrite
	NetListen
	NetAccept
	NetDial
	NetTLS
	NetDeflate
	HandleClose
	AuthHost
	AuthLogin
	SessionUmask
	SessionNames
	SessionList
	SessionKick
	FileStat
	FileOpen
	FileList
	FileCommit
	FileMake
	FileRemove
	FileRename
	FileSet
	FileSpace
	FileCopy
	TransferStart
	TransferProgress
	TransferHash
	importCount
)

// Table is the only place where an import is declared.
//
// An import marked "may wait" never blocks. It answers at once, or it returns EAGAIN
// and [EventReady] follows for that session. The guest then makes the same call again,
// with the same arguments, and gets an answer that is not EAGAIN. A session has at most
// one such call under way: a different call that may wait abandons it.
//
// The host checks the arguments in this order. A pointer or a length that leads outside
// the memory is EFAULT. A handle that does not exist, or is of another kind, is EBADF.
// Files are EACCES before the login, and when the account may not touch them. A number,
// flag or name that nobody can act on is EINVAL. Unless the errno is OK, the call did
// nothing, and the memory behind its result pointers has no meaning.
//
// A call that reaches the storage or the network may return any errno that their error
// stands for, and EIO for an error that has no errno here. EBUSY is also the answer when
// too many calls of a session are at work, and for a connection on which written bytes
// or a handshake are still on their way. Where the configuration requires TLS on data
// connections, bytes over one in the clear are EACCES. Where it requires TLS on the
// control connection, files and logins in the clear are EACCES.
//
// A session may hold at least four handles at a time, besides its control connection. A
// host bounds their number: one more than it allows is EMFILE.
//
// A host need not offer an import whose text names ENOSYS. A name is relative to the
// account's root, which is ".". Its elements are separated by "/"; none is empty, "."
// or "..", or contains a NUL.
var Table = [importCount]Import{
	ConfigRead: {"config_read", "events", []Param{{"buf", Out}, {"n", RetUint32}},
		"copies the configuration record; EINVAL when buf is too small"},
	EventsRead: {"events_read", "events", []Param{{"buf", Out}, {"n", RetUint32}},
		"takes events off the queue, as many as fit; n is how many; what a step leaves may be forgotten"},

	NetAddress: {"net_address", "sockets", []Param{{"session", Handle}, {"side", Uint32}, {"addr", RetAddr}},
		"one end of the control connection: side 0 is ours, 1 the client's; EINVAL for any other"},
	NetRead: {"net_read", "sockets", []Param{{"session", Handle}, {"buf", Out}, {"n", RetUint32}},
		"reads what has arrived on the control connection; n 0 is the end of the stream, each time; EAGAIN when " +
			"there is nothing yet (EventReadable follows)"},
	NetWrite: {"net_write", "sockets", []Param{{"conn", Handle}, {"data", In}, {"n", RetUint32}},
		"takes as much for a control or data connection as there is room for, n bytes; EAGAIN when there is none; " +
			"EventWritable follows when it took less than all"},
	NetListen: {"net_listen", "sockets", []Param{{"session", Handle}, {"family", Uint32}, {"listener", RetUint32},
		{"addr", RetAddr}},
		"may wait: opens a passive data port for this session's client; family is 0 for the control connection's " +
			"own, 4 or 6; addr is what to announce; EINVAL for a family that this connection cannot have; " +
			"ENOSYS when the connection is no TCP connection"},
	NetAccept: {"net_accept", "sockets", []Param{{"listener", Handle}, {"conn", RetUint32}},
		"takes the client's data connection; EAGAIN while it has not come (EventReadable on the listener follows); " +
			"EBUSY when several came, and none may be trusted"},
	NetDial: {"net_dial", "sockets", []Param{{"session", Handle}, {"addr", InAddr}, {"conn", RetUint32}},
		"connects to the client's data port; EventWritable follows with how it went; EACCES when the address is " +
			"not the client's or the port is below 1024, EINVAL when it has no family"},
	NetTLS: {"net_tls", "sockets", []Param{{"conn", Handle}, {"part", Uint32}, {"reply", In}},
		"puts a connection under TLS, or ends that. As the server (part 0): a control connection forgets what " +
			"arrived, says reply in the clear, and goes on behind the handshake; for a data connection reply is " +
			"empty, and EventWritable follows with how it went, EPROTO for a handshake that failed. As the client " +
			"(part 1): the same for a data connection, whatever certificate the other end has, which is another " +
			"server (SSCN, CPSV). Part 2 ends TLS on a control connection (CCC), which says reply as the last " +
			"thing under it, forgets what comes before the client has ended it too, and goes on in the clear. " +
			"EINVAL for a connection that is so already, and for another part; EACCES for a part that the " +
			"configuration does not allow, and for part 2 when it requires TLS on control connections; ENOSYS when " +
			"it has no TLS, and for a part that the host cannot play"},
	NetDeflate: {"net_deflate", "sockets", []Param{{"conn", Handle}, {"level", Uint32}},
		"compresses what is written to a data connection, and expands what is read, from now on, in zlib format " +
			"(RFC 1950); level is 1 to 9, or 0 for the host's choice; EINVAL for any other, and for a connection " +
			"that is compressed; ENOSYS when the host cannot"},
	HandleClose: {"handle_close", "sockets", []Param{{"handle", Handle}},
		"closes any handle, whose number does not come back soon; a session's goes with all it owns once its last " +
			"reply is sent; an upload not committed is aborted"},

	AuthHost: {"auth_host", "accounts", []Param{{"session", Handle}, {"name", In}},
		"which virtual host the next login is at, none when the name is empty; ENOENT when there is no such host; " +
			"ENOSYS, for an empty name too, when the host has none"},
	AuthLogin: {"auth_login", "accounts", []Param{{"session", Handle}, {"user", In}, {"password", In}, {"rights", RetUint32},
		{"abilities", RetUint32}},
		"may wait: logs the session in, and tells what the account may do and what its files can do (see the " +
			"abilities); an empty user logs it out, with the number 0 for both; EACCES for wrong credentials, " +
			"EMFILE when the account has all its sessions"},

	SessionUmask: {"session_umask", "sessions", []Param{{"session", Handle}, {"mask", Uint32}},
		"which of the nine permission bits new files and directories of this login do not get; EACCES " +
			"without the right to write, EINVAL for other bits; ENOSYS where the files have none"},
	SessionNames: {"session_names", "sessions", []Param{{"session", Handle}, {"on", Uint32}, {"name", In}, {"buf", Out},
		{"n", RetUint32}},
		"has names be UTF-8 from now on (on 1), or in the character set of the account's clients again (on 0); buf " +
			"gets the n bytes by which a name is written now that was name before; EINVAL when it is none, buf is " +
			"too small or on another number; on 2 changes nothing of that: name is what the client calls its own " +
			"program (CLNT), of any bytes, and n is 0; on 3 changes nothing either: name is empty, and buf gets the n " +
			"bytes of the account's style record, EINVAL when it lacks AbleStyle; ENOSYS when names are what they are, " +
			"or nobody wants to know"},
	SessionList: {"session_list", "sessions", []Param{{"session", Handle}, {"after", Int64}, {"buf", Out}, {"n", RetUint32}},
		"fills buf with whole session records of the host's sessions numbered above after, in order; n is in " +
			"bytes, 0 at the end; EACCES without the right of an administrator, EINVAL when buf has no room for " +
			"the next one; ENOSYS when the host tells of none"},
	SessionKick: {"session_kick", "sessions", []Param{{"session", Handle}, {"number", Int64}, {"text", In}},
		"ends another session, by its number of session_list, as an operator would: its client gets 421, with the " +
			"text unless that is empty; EACCES without the right of an administrator, ENOENT when there is no such " +
			"session, EINVAL for the session itself; ENOSYS, before the login too, when the host ends none"},

	FileStat: {"file_stat", "files", []Param{{"session", Handle}, {"name", In}, {"flags", Uint32}, {"stat", RetStat}},
		"may wait: describes a file; flag 1 describes a link itself; flag 2 describes a directory that is entered: " +
			"EACCES when the account may not search it, ENOTDIR when it is none; ENOENT when there is none"},
	FileOpen: {"file_open", "files", []Param{{"session", Handle}, {"name", In}, {"flags", Uint32}, {"offset", Int64},
		{"handle", RetUint32}, {"stat", RetStat}},
		"may wait: opens a file for a transfer that begins at offset, or a directory for file_list (see the open " +
			"flags); ENOENT, EISDIR or ENOTDIR for the other kind, EEXIST when OpenExclusive finds a file, EINVAL " +
			"for an upload that begins past the end, and for an offset in a directory"},
	FileList: {"file_list", "files", []Param{{"dir", Handle}, {"buf", Out}, {"n", RetUint32}},
		"may wait: fills buf with whole directory records, of each entry but . and .. once; n is in bytes, 0 at " +
			"the end; a link that is shown as what it leads to keeps its target, for LIST -R goes into no link"},
	FileCommit: {"file_commit", "files", []Param{{"file", Handle}},
		"may wait: makes an upload final, and closes it whether that works or not; EBUSY while its transfer goes " +
			"on, EINVAL when that broke off or never began, and neither closes it"},
	FileMake: {"file_make", "files", []Param{{"session", Handle}, {"name", In}, {"target", In}},
		"may wait: makes a directory or, unless target is empty, a symbolic link to the file called target, which " +
			"may be missing; EEXIST when there is such a name, ENOENT when the directory above is missing; EACCES " +
			"for a link when the configuration does not allow it; ENOSYS for what the storage cannot make"},
	FileRemove: {"file_remove", "files", []Param{{"session", Handle}, {"name", In}, {"kind", Uint32}},
		"may wait: removes a file (kind 0), an empty directory (kind 1), or a directory with all that is in it, " +
			"but not what links in it lead to (kind 2); ENOENT, EISDIR or ENOTDIR for the other kind, ENOTEMPTY; " +
			"EACCES when the configuration does not allow kind 2; ENOSYS when the storage cannot"},
	FileRename: {"file_rename", "files", []Param{{"session", Handle}, {"from", In}, {"to", In}},
		"may wait: renames a file or a directory, also into another directory; a file replaces a file, and a " +
			"directory may replace an empty one; ENOENT; ENOSYS when the storage cannot"},
	FileSet: {"file_set", "files", []Param{{"session", Handle}, {"name", In}, {"attribute", Uint32}, {"value", Int64}},
		"may wait: sets what a file has: the time of its last change (attribute 0), in ns since 1970, or its " +
			"permissions (attribute 1), the nine bits and, of a directory, set-group-ID (02000) and sticky (01000) " +
			"where the host has them, while a file gets neither these nor set-user-ID; ENOENT; EINVAL for another " +
			"attribute; ENOSYS for what the storage cannot set"},
	FileSpace: {"file_space", "files", []Param{{"session", Handle}, {"name", In}, {"bytes", RetUint64}},
		"may wait: how many bytes an upload to a directory could have; ENOSYS when nobody knows"},
	FileCopy: {"file_copy", "files", []Param{{"session", Handle}, {"from", In}, {"to", In}, {"flags", Uint32}, {"file", RetUint32}},
		"may wait: begins to copy a file; file is open for the upload (flag 1: to the end of what is there); " +
			"EventTransfer follows at the end, with how it went, and file_commit makes it final; ENOENT, EISDIR, " +
			"EINVAL when both are the same file; EACCES when the configuration does not allow it; ENOSYS when the " +
			"host cannot"},

	TransferStart: {"transfer_start", "transfers", []Param{{"file", Handle}, {"conn", Handle}, {"flags", Uint32}, {"length", Int64}},
		"moves the file's bytes to or from the data connection, which it takes over and closes; flag 1 converts " +
			"line ends; length is the most bytes of the file, 0 for no limit, and EINVAL is how an upload of more " +
			"ends; EventTransfer follows at the end, with how it went; a download that breaks off, or whose file " +
			"is closed, is reset"},
	TransferProgress: {"transfer_progress", "transfers", []Param{{"file", Handle}, {"bytes", RetUint64}},
		"how many bytes have crossed the data connection, or were hashed or copied, so far; EINVAL before there is a transfer"},
	TransferHash: {"transfer_hash", "transfers", []Param{{"file", Handle}, {"algorithm", Uint32}, {"length", Int64},
		{"digest", Out}, {"n", RetUint32}},
		"hashes the next length bytes of a file open for reading, 0 for all: EAGAIN until EventTransfer has " +
			"followed, and then, for the same arguments, digest gets the n bytes of the hash; EINVAL for an " +
			"unknown algorithm, for other arguments than at first, and when digest is too small or the file could " +
			"not be read; ENOSYS when the host cannot"},
}
