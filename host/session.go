package host

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// session is the host's side of a control connection. Only its shard's goroutine uses it,
// but for the fields that are atomic or never change.
type session struct {
	shard    *shard
	server   *Server
	config   *setup // it began with this one
	id       uint64
	handle   uint32
	seat     *seat
	stream   *conn.Stream
	link     link
	strange  atomic.Bool // a data connection did not resume the session's TLS
	client   netip.AddrPort
	local    netip.AddrPort // as the client sees it
	behind   netip.AddrPort // where its proxy connected to; not valid without a proxy
	near     net.Addr       // the ends of the control connection for ListenData and DialData; nil without them
	far      net.Addr
	began    time.Time
	login    atomic.Pointer[login]  // nil until logged in
	utf8     bool                   // the client sent OPTS UTF8 ON
	host     string                 // the argument of HOST, "" for none
	failures int                    // refused logins
	over     bool                   // end has begun
	asked    *question              // the call whose answer the guest waits for, nil for none
	working  int                    // goroutines that answer questions
	dialing  int                    // goroutines that dial
	objects  []uint32               // handles of the objects that the session owns
	named    atomic.Pointer[string] // the virtual host, for other goroutines; nil for none
	program  atomic.Pointer[string] // the name of the client's program; nil for none
	replaced atomic.Int32           // accounts that SetAccount has replaced and that are open still
	unheard  atomic.Bool            // other rights of the account than those that the engine knows
	heard    int64                  // the shard's step in which the engine learnt of others; see shard.ran
	sealed   atomic.Uint32          // TLS of the embedder's beneath the session: version << 16 | suite; 0 for none
	sent     atomic.Int64           // bytes of downloads that have ended
	received atomic.Int64           // bytes of uploads that have ended
	expelled error                  // why Session.Close or SITE KICK has ended the session; nil if none has
	hashing  sync.Mutex             // held by the goroutine that hashes a file: one at a time
	doing    atomic.Pointer[activity]
	kept     *listener // the passive port for the next transfer, nil for none
	verdict  *verdict  // takes the place of the engine's next reply; nil for none
	spoken   spoken
	commands commands
	said     []byte        // replies that leave together once the engine has nothing to do; nil for none
	former   []*login      // those before SetAccount, while files of theirs may be open
	ending   chan struct{} // closed once every object given up so far is closed; nil if none was

	// For a session that the engine does not know yet, as its client has sent nothing.
	implicit bool        // implicit TLS
	greeting []byte      // the reply that the host sent for the engine, until the engine sends it too; nil for none
	patience *time.Timer // ends the session
}

// maxOwned is how many listeners, connections, files and directories a session may have
// at a time. The engine needs four.
const maxOwned = 16

// object is a listener, data connection, file or directory of a session.
type object interface {
	owner() *session
	// end releases what the object holds. The guest gets no event.
	end()
}

func newSession(sh *shard, a *conn.Arrival, p *seat) *session {
	s := &session{
		shard: sh, server: sh.server, config: p.config, id: p.id, seat: p, began: time.Now(), link: link{shard: sh, seat: p},
		client: a.From, local: a.To, behind: a.Behind(),
	}
	if s.config.ListenData != nil || s.config.DialData != nil {
		s.near, s.far = a.Ends()
	}
	a.Control()
	s.stream = a.Stream(sh.poll, &s.link)
	p.begin(s.stream)
	return s
}

// link is the [conn.Owner] of a connection: it posts the connection's events to the guest
// under session and handle, and counts its descriptor in the seat.
type link struct {
	shard           *shard
	seat            *seat
	session, handle uint32
}

// Post implements [conn.Owner].
func (l *link) Post(kind uint16) {
	l.shard.post(wasi.Event{Kind: kind, Session: l.session, Handle: l.handle})
}

// Parts implements [conn.Owner].
func (l *link) Parts(s *conn.Stream) { l.seat.part(s) }

// Lingers implements [conn.Owner].
func (l *link) Lingers(s *conn.Stream) { l.seat.linger(s) }

// Closed implements [conn.Owner].
func (l *link) Closed(s *conn.Stream) { l.seat.drop(s) }

// user is the name of the account that the session is logged in to, "" for none.
func (s *session) user() string {
	if l := s.login.Load(); l != nil {
		return l.name
	}
	return ""
}

// folder is the Folder of the account that the session is logged in to.
func (s *session) folder() string {
	if l := s.login.Load(); l != nil {
		return l.folder
	}
	return ""
}

// observe sends an event of the session to the Observer. Callers set the user of an event
// that may come after the logout.
func (s *session) observe(e Event) {
	if s.config.Observer == nil {
		return
	}
	e.Session, e.Client, e.Server, e.Host = s.id, s.client, s.local, s.hostName()
	e.TLSVersion, e.CipherSuite = s.cipher()
	e.Program = s.programName()
	if e.User == "" {
		e.User = s.user()
	}
	if e.Folder == "" && e.User == s.user() {
		e.Folder = s.folder()
	}
	s.server.observe(e)
}

// refuse ends a session that the engine never learnt of.
func (s *session) refuse(reply string, reason error) {
	s.stream.Write([]byte(reply))
	s.stream.Receive()
	s.stream.Close(conn.LingerTime, conn.LingerTime)
	s.observe(Event{Kind: Refused, Err: reason})
	s.server.leave(s.shard)
}

// own makes an object the session's, and gives it a handle.
func (s *session) own(o object) (uint32, wasi.Errno) {
	if len(s.objects) >= maxOwned {
		return 0, wasi.EMFILE
	}
	handle, ok := s.shard.handles.add(o)
	if !ok {
		return 0, wasi.EMFILE
	}
	s.objects = append(s.objects, handle)
	return handle, wasi.OK
}

// disown removes a handle of the session.
func (s *session) disown(handle uint32) {
	if d := s.doing.Load(); d != nil && d.handle == handle {
		s.doing.Store(nil)
	}
	s.shard.handles.remove(handle)
	if at := slices.Index(s.objects, handle); at >= 0 {
		s.objects = slices.Delete(s.objects, at, at+1)
	}
	s.partFormer()
}

// afterwards runs giveUp on a goroutine of its own. The session's next question waits until
// that is done: a client that tries again at once must not find its file in use by itself.
func (s *session) afterwards(giveUp func()) {
	before, done := s.ending, make(chan struct{})
	s.ending = done
	users := append(slices.Clone(s.former), s.login.Load())
	for _, user := range users {
		user.enter()
	}
	s.server.work.Go(func() {
		defer func() {
			for _, user := range users {
				user.leave()
			}
		}()
		defer close(done)
		giveUp()
		if before != nil {
			<-before
		}
	})
}

// partingTime is how long the last replies of a session may wait for a client that reads
// none of their bytes. By then the worst links have recovered from a loss, and a client
// that reads at all has read something.
const partingTime = 10 * time.Second

// end closes the session and its objects. Its connections, and with them its seat, may
// outlive it until their unsent bytes are sent.
func (s *session) end() {
	if s.patience != nil {
		s.patience.Stop()
		delete(s.shard.silent, s.handle)
	}
	s.over = true
	for _, handle := range slices.Clone(s.objects) {
		if o, errno := get[object](&s.shard.handles, handle); errno == wasi.OK {
			o.end()
		}
		s.disown(handle)
	}
	if s.kept != nil {
		s.kept.shutPort()
		s.kept = nil
	}
	s.abandonQuestion()
	s.partFormer()
	s.speak()
	over := Event{Kind: Disconnected, User: s.user(), Duration: time.Since(s.began), Err: cmp.Or(s.expelled, s.seat.reason()),
		Bytes: s.sent.Load() + s.received.Load(), Reply: s.spoken.code}
	over.Reason = s.parting(over.Err)
	if l := s.login.Swap(nil); l != nil {
		s.seat.keep(l)
		l.release()
	}
	stall := s.config.Limits.StallTime
	s.stream.Close(min(partingTime, stall), stall)
	s.shard.handles.remove(s.handle)
	s.shard.sessions--
	s.server.present.remove(s)
	s.observe(over)
	s.server.leave(s.shard)
}

func (sh *shard) session(a *wasm.Args) (*session, wasi.Errno) {
	return get[*session](&sh.handles, a.Handle(0))
}

func (sh *shard) handleClose(a *wasm.Args) wasi.Errno {
	if s, errno := sh.session(a); errno == wasi.OK {
		s.end()
		return wasi.OK
	}
	o, errno := get[object](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	o.end()
	o.owner().disown(a.Handle(0))
	return wasi.OK
}

func (sh *shard) netAddress(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	switch a.Uint32(1) {
	case wasi.Local:
		wasi.PutAddr(a.Bytes(2), s.local)
	case wasi.Peer:
		wasi.PutAddr(a.Bytes(2), s.client)
	default:
		return wasi.EINVAL
	}
	return wasi.OK
}

func (sh *shard) netRead(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if s.unheard.Load() && s.heard != sh.ran.Load() {
		// The next command must find the engine with the rights of now: it reads on in the next
		// step, behind the event that tells them.
		sh.post(wasi.Event{Kind: wasi.EventReadable, Session: s.handle, Handle: s.handle})
		return wasi.EAGAIN
	}
	n, errno := s.stream.Read(a.Bytes(1))
	s.commands.hear(a.Bytes(1)[:n])
	if s.config.Observer != nil {
		s.spoken.hear(a.Bytes(1)[:n])
	}
	putUint32(a.Bytes(2), uint32(n))
	return errno
}

func (sh *shard) netWrite(a *wasm.Args) wasi.Errno {
	if s, errno := sh.session(a); errno == wasi.OK {
		n, errno := s.say(a.Bytes(1))
		putUint32(a.Bytes(2), uint32(n))
		return errno
	}
	c, errno := get[*dataConn](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	if errno = c.usable(); errno != wasi.OK {
		return errno
	}
	n, errno := c.stream.Write(a.Bytes(1))
	putUint32(a.Bytes(2), uint32(n))
	return errno
}

const (
	mostSaid  = 2048 // bytes of replies that wait for more
	mostRooms = 64   // empty buffers for them that a shard keeps
)

// say takes replies of the engine's. They wait until the engine has nothing more to do: so
// the reply at the beginning and that at the end of a short transfer leave in one write.
func (s *session) say(p []byte) (int, wasi.Errno) {
	if s.verdict != nil {
		n, errno := s.pronounce(p)
		if errno != wasi.OK || n == len(p) {
			return n, errno
		}
		more, errno := s.say(p[n:])
		if n > 0 {
			errno = wasi.OK
		}
		return n + more, errno
	}
	known := 0
	if s.greeting != nil {
		known = s.repeated(p)
		p = p[known:]
	}
	if len(s.said)+len(p) > mostSaid || s.stream.Busy() {
		s.speak()
		n, errno := s.stream.Write(p)
		s.replied(p[:n])
		return known + n, errno
	}
	if s.said == nil {
		s.said = s.shard.room()
		s.shard.speakers = append(s.shard.speakers, s)
	}
	s.said = append(s.said, p...)
	s.replied(p)
	return known + len(p), wasi.OK
}

// speak sends the replies that wait.
func (s *session) speak() {
	if s.said == nil {
		return
	}
	s.stream.Write(s.said)
	if sh := s.shard; len(sh.rooms) < mostRooms {
		sh.rooms = append(sh.rooms, s.said[:0])
	}
	s.said = nil
}

// room is an empty buffer for replies.
func (sh *shard) room() []byte {
	n := len(sh.rooms)
	if n == 0 {
		return make([]byte, 0, mostSaid)
	}
	room := sh.rooms[n-1]
	sh.rooms = sh.rooms[:n-1]
	return room
}

// speak sends the replies that wait in all sessions.
func (sh *shard) speak() {
	for _, s := range sh.speakers {
		s.speak()
	}
	clear(sh.speakers)
	sh.speakers = sh.speakers[:0]
}

// repeated is how many bytes of the engine's first reply the host has sent before.
func (s *session) repeated(first []byte) (n int) {
	if bytes.HasPrefix(first, s.greeting) {
		n = len(s.greeting)
	}
	s.greeting = nil
	return n
}

func putUint32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
