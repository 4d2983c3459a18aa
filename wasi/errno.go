package wasi

// Errno is the result of every import. Its numbers are those of WASI preview 1.
type Errno uint16

// The errno values that cross the boundary, with what they mean here.
const (
	OK           Errno = 0
	EACCES       Errno = 2  // the account, or the host's policy, does not allow it
	EADDRINUSE   Errno = 3  // no port is free
	EAGAIN       Errno = 6  // not yet: an event follows
	EBADF        Errno = 8  // no such handle, or one of another kind
	EBUSY        Errno = 10 // somebody else holds the file, or work on the connection is not done
	ECANCELED    Errno = 11 // the guest or the host gave the work up
	ECONNREFUSED Errno = 14 // nobody listens there
	ECONNRESET   Errno = 15 // the connection broke
	EDQUOT       Errno = 19 // the account's quota is used up
	EEXIST       Errno = 20 // a file of that name exists already
	EFAULT       Errno = 21 // a pointer or a length leads outside the guest's memory
	EFBIG        Errno = 22 // the file would be larger than allowed
	EINVAL       Errno = 28 // an argument that nobody can act on
	EIO          Errno = 29 // the storage failed, or an error that has no errno here
	EISDIR       Errno = 31 // a directory where a file is needed
	EMFILE       Errno = 33 // too many sessions, handles or ports
	ENOENT       Errno = 44 // no such file
	ENOSPC       Errno = 51 // the storage is full
	ENOSYS       Errno = 52 // the host or its storage cannot do this at all
	ENOTDIR      Errno = 54 // a file where a directory is needed
	ENOTEMPTY    Errno = 55 // the directory has entries
	EPIPE        Errno = 64 // the other end no longer reads
	EPROTO       Errno = 65 // the TLS handshake failed, or it does not resume the session that was asked for
	ETIMEDOUT    Errno = 73 // nothing happened for too long
	EXDEV        Errno = 75 // the new name is on another disk
)

var errnoNames = map[Errno]string{
	OK: "OK", EACCES: "EACCES", EADDRINUSE: "EADDRINUSE", EAGAIN: "EAGAIN", EBADF: "EBADF", EBUSY: "EBUSY",
	ECANCELED: "ECANCELED", ECONNREFUSED: "ECONNREFUSED", ECONNRESET: "ECONNRESET", EDQUOT: "EDQUOT",
	EEXIST: "EEXIST", EFAULT: "EFAULT", EFBIG: "EFBIG", EINVAL: "EINVAL", EIO: "EIO", EISDIR: "EISDIR",
	EMFILE: "EMFILE", ENOENT: "ENOENT", ENOSPC: "ENOSPC", ENOSYS: "ENOSYS", ENOTDIR: "ENOTDIR",
	ENOTEMPTY: "ENOTEMPTY", EPIPE: "EPIPE", EPROTO: "EPROTO", ETIMEDOUT: "ETIMEDOUT", EXDEV: "EXDEV",
}

// Error is the errno's name, or "E?" for a number that is not in the list above.
func (e Errno) Error() string {
	if n, ok := errnoNames[e]; ok {
		return n
	}
	return "E?"
}
