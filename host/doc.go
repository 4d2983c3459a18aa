// Package host runs the FTP engine, a WebAssembly module, for real clients. It owns the
// sockets, the passive ports, the accounts and the transfers. The module has handles of
// them only, and the host checks each of its calls.
//
// A [Server] is used like one of net/http: [New], [Server.Serve] or [Server.ServeTLS] for
// each listener, then [Server.Shutdown] or [Server.Close]. An embedder brings an
// [Authenticator]. It gives each login an [Account] with a storage, which can be any
// [io/fs.FS]; the interfaces of [wasiftp/fsbridge] add uploads and changes.
//
// # What is copied
//
// [New] copies the Config, but not what its slices and pointers lead to (Hosts,
// Passive.LocalNetworks, TLS.Config): that must not change while the server runs.
//
// The server copies the fields of an Account when Authenticate returns it. They hold until
// the session logs out, and [Server.Revoke] ends the rights earlier. So one Account may be
// returned many times.
//
// # Goroutines
//
// These are called by many goroutines at a time, also for one session, and must be safe
// for concurrent use: the Authenticator, the [Hooks], the methods of a storage, and callbacks
// of TLS.Config. An open file, directory or upload gets one call at a time, though not always
// from the same goroutine. Account.Close is called once, by a goroutine of its own.
//
// One goroutine calls the Observer and the Logger's handler, in the order of events. With
// [Config.SyncObserver] many call the Observer. Accept is called by the goroutine that
// called Serve, and the function given to Revoke by the one that called Revoke.
//
// A call of an Authenticator, a hook or a storage that hangs holds up its own session, and keeps
// one of [Limits.Threads] busy. A panic is logged with its stack and becomes the error of
// that call.
//
// # Errors and replies
//
// The text of an error never reaches a client, but for that of [Refuse], which has a code and
// a text of one's own. Hooks, storages, uploads and an Authenticator may return it. An
// Authenticator's error becomes:
//
//	ErrDenied                          530 Login incorrect.
//	ErrBusy, Account.MaxSessions,
//	a ban (Config.Bans)                421 Too many sessions of this account, try again later.
//	Refuse, of Hooks.Login too         421, 4yz or 530 with the text given
//	a panic                            451 Logging in failed on the server's side.
//	any other, no Account, no FS       530 Login incorrect; the error is logged
//
// An error of a storage or a hook becomes the reply of the first line that [errors.Is] finds.
// The second code is that of STOR, APPE, STOU, RNTO and other commands that name a new file:
//
//	ENOTDIR, EISDIR, ENOTEMPTY         550, 553
//	EXDEV                              553 That name is on another disk: copy there, then delete.
//	EROFS, ENXIO                       550 Permission denied.
//	ELOOP                              550, 553 as fs.ErrNotExist
//	ENAMETOOLONG, EILSEQ, EINVAL       550, 553 File name not allowed.
//	ENOSPC, EMLINK                     452 No space left.
//	EDQUOT, EFBIG                      552 Quota used up.
//	EBUSY, ETXTBSY, EAGAIN             450 File is busy.
//	EMFILE, ENFILE                     450 Too many open files, try again later.
//	fs.ErrNotExist                     550 No such file or directory, 553 No such directory.
//	fs.ErrExist                        550, 553 There is such a file already.
//	fs.ErrPermission                   550 Permission denied.
//	fs.ErrInvalid                      550, 553 File name not allowed.
//	errors.ErrUnsupported, no method   504 The storage cannot do that.
//	any other, a panic                 451 Storage failed.
//
// An error of Commit has the same lines, with the second code; but errors.ErrUnsupported and
// those of networks are 451. While bytes move it is 452 or 552 by the same lines, else 451, and
// some errors count as another's: ECONNRESET, EPIPE and timeouts as the data
// connection's (426), fs.ErrInvalid as that of more bytes than a RANG has (554).
//
// # Events
//
// A session is [Connected], perhaps [LoggedIn] and [LoggedOut], and at its end
// [Disconnected]; a connection that gets no session is [Refused]. Each RETR that opens a
// file ends in one [Downloaded], and each upload in one [Uploaded] or [UploadFailed].
// What a hook refuses before it begins is [Forbidden]. Uploaded comes after Commit and before
// the reply is sent, UploadFailed after Abort.
// Work that goes on when a session ends is told of after Disconnected: a login, a change,
// a file that is closed or committed.
package host
