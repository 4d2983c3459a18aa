package host

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// Session describes a session as it was at some moment. Its methods act on the session
// itself; they do nothing once that is over, nor do those of the zero value.
type Session struct {
	Number  uint64 // from 1 for the life of the server, as in Event.Session
	Account string // the account's name; "" until logged in
	Rights  Rights // of the account; zero until logged in
	Folder  string // Account.Folder
	Client  netip.AddrPort
	Server  netip.AddrPort // the address that the client connected to
	Host    string         // as Login.Host
	Began   time.Time

	// Program is what the client calls its own program (CLNT), "" if it says nothing; mostly it
	// says so behind the login. At most 128 bytes are kept, all of them printed: a question mark
	// is in the place of any other character. Who wants to be taken for another program just
	// says so.
	Program string

	TLSVersion  uint16 // of the control connection, as in [tls.ConnectionState]; 0 in the clear
	CipherSuite uint16 // likewise

	// Sent and Received are bytes of files that crossed data connections in transfers that
	// have ended.
	Sent, Received int64

	// Doing is what the session does at this moment: list, download, upload, hash or copy;
	// "" for nothing. Path is the file or directory. Bytes are those of this transfer.
	Doing string
	Path  string
	Bytes int64

	of *session
}

var doingNames = [...]string{
	wasi.DoingList: "list", wasi.DoingDownload: "download", wasi.DoingUpload: "upload", wasi.DoingHash: "hash",
	wasi.DoingCopy: "copy",
}

// Sessions describes all sessions that are open, by number.
func (s *Server) Sessions() []Session {
	var all []Session
	for _, open := range s.present.all() {
		all = append(all, open.described(open.user()))
	}
	return all
}

// described describes the session for the account user.
func (s *session) described(user string) Session {
	d := Session{
		Number: s.id, Account: user, Client: s.client, Server: s.local, Host: s.hostName(), Began: s.began,
		Program: s.programName(),
		Sent:    s.sent.Load(), Received: s.received.Load(), of: s,
	}
	d.TLSVersion, d.CipherSuite = s.cipher()
	if l := s.login.Load(); l != nil {
		d.Rights = l.files.Load().Rights
		d.Folder = l.folder
	}
	if does := s.doing.Load(); does != nil {
		d.Doing, d.Path = doingNames[does.doing], "/"+does.name
		if does.name == "." {
			d.Path = "/"
		}
		if does.bytes != nil {
			d.Bytes = does.bytes.Load()
		}
	}
	return d
}

// cipher is the TLS of the control connection: that of the server or, beneath the session,
// that of the embedder's own connection, which is known from the login on.
func (s *session) cipher() (version, suite uint16) {
	if version, suite = s.stream.Cipher(); version == 0 {
		foreign := s.sealed.Load()
		version, suite = uint16(foreign>>16), uint16(foreign)
	}
	return version, suite
}

// hostName is what at was when it was last asked for, by the shard's goroutine.
func (s *session) hostName() string {
	if name := s.named.Load(); name != nil {
		return *name
	}
	return ""
}

// Close ends the session: the client gets 421 with the text reason, its transfers and
// listings are aborted. An upload that is being committed goes on. Close does not wait for
// that. reason is a text as that of [Refuse]; "" is "The server ends this session.".
func (s Session) Close(reason string) {
	if live := s.of; live != nil {
		live.shard.do(func() { live.expel(replyText(reason, "The server ends this session."), "") })
	}
}

// expel ends the session with 421 and the text, on the shard's goroutine. The event tells the
// reason, or if that is "" the text.
func (s *session) expel(text, reason string) {
	if found, errno := get[*session](&s.shard.handles, s.handle); errno != wasi.OK || found != s {
		return
	}
	known := s.shard.silent[s.handle] == nil
	s.expelled = errors.New("ended by the server: " + cmp.Or(reason, text))
	s.verdict = nil
	s.speak()
	s.farewell("421 " + text + "\r\n")
	handle := s.handle
	s.end()
	if known { // the guest finds no session any more when it reads, or drops what the session waits for
		s.shard.post(wasi.Event{Kind: wasi.EventReadable, Session: handle, Handle: handle})
		s.shard.post(wasi.Event{Kind: wasi.EventHangup, Session: handle, Handle: handle})
	}
}

// SetRights changes the rights of the account for this session, until it logs out or logs in
// anew. Transfers and commands under way go on; the next command has the new rights. It
// returns false, and changes nothing, if the session is not logged in.
//
// With a [Config.Module] of an older ABI version than 6, whose engine learns rights at the login
// only, a right that is added counts from the next login on for COMB, MFF, SITE WHO, FEAT and the
// perm fact of MLSD.
func (s Session) SetRights(rights Rights) bool {
	if s.of == nil {
		return false
	}
	l := s.of.login.Load()
	for l != nil && !l.revoked.Load() {
		old := l.files.Load()
		changed := *old
		changed.Rights = rights
		if l.files.CompareAndSwap(old, &changed) {
			s.of.tellRights()
			return true
		}
	}
	return false
}

// ContextFS is an optional interface of [Account.FS]. WithContext is called once a login. Its
// result, which must not be nil, takes the place of the storage for that login. ctx ends when
// the session logs out or ends; [SessionOf] finds the session in it. Files that are open then
// are still read, committed or aborted: who passes ctx on there may want
// [context.WithoutCancel].
type ContextFS interface {
	fs.FS
	WithContext(ctx context.Context) fs.FS
}

// sessionKey is the key of a login in the context of its storage.
type sessionKey struct{}

// SessionOf describes the session of a context that a [ContextFS] got. ok is false for any
// other context.
func SessionOf(ctx context.Context) (s Session, ok bool) {
	l, ok := ctx.Value(sessionKey{}).(*login)
	if !ok {
		return Session{}, false
	}
	s = l.session.described(l.name)
	if files := l.files.Load(); files != nil {
		s.Rights = files.Rights
	}
	return s, true
}

// bind sets the storage of the login.
func (l *login) bind(files fsbridge.Access) error {
	if c, ok := files.FS.(ContextFS); ok {
		ctx := context.Background()
		ctx, l.cancel = context.WithCancel(context.WithValue(ctx, sessionKey{}, l))
		if err := l.session.guard(filesCode, func() error { files.FS = c.WithContext(ctx); return nil }); err != nil {
			return err
		}
	}
	if files.FS == nil {
		return errNoFS
	}
	l.files.Store(&files)
	return nil
}

// endContext ends the context that the storage got.
func (l *login) endContext() {
	if l.cancel != nil {
		l.cancel()
	}
}
