package host

import (
	"bytes"
	"log/slog"
	"net"
	"sync"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// shard is an instance, the sessions in it and the goroutine that runs both.
// Whatever the rest of the host has for the guest comes through post and do;
// all else of a shard belongs to its goroutine.
type shard struct {
	server   *Server
	instance *wasm.Instance // nil until a session needs it, and after it trapped
	handles  handles
	sessions map[uint32]*session
	silent   map[uint32]*session // those of them that the engine does not know: their clients have said nothing yet
	draining bool
	events   []wasi.Event // of the present step, not yet taken by the guest
	hungry   int          // steps in a row that the engine wanted without an event
	next     int64        // when the engine wants a step, ns since 1970; 0 is never
	ahead    int64        // of server.now, in ns: where the engine believes people's clocks to be
	told     bool         // it was told so
	reserved int          // sessions placed here and not yet over; guarded by server.mu
	large    bool         // the instance should be replaced; guarded by server.mu, set by the shard alone
	wake     chan struct{}

	mu     sync.Mutex
	queue  []wasi.Event
	duties []func()
	ended  bool
}

func newShard(s *Server) *shard {
	return &shard{server: s, sessions: map[uint32]*session{}, silent: map[uint32]*session{}, wake: make(chan struct{}, 1)}
}

// post hands the guest an event, at its next step.
func (sh *shard) post(e wasi.Event) {
	sh.mu.Lock()
	sh.queue = append(sh.queue, e)
	sh.mu.Unlock()
	sh.signal()
}

// do runs a function on the shard's goroutine. It reports false when the shard
// has ended and never will.
func (sh *shard) do(duty func()) bool {
	sh.mu.Lock()
	ended := sh.ended
	if !ended {
		sh.duties = append(sh.duties, duty)
	}
	sh.mu.Unlock()
	sh.signal()
	return !ended
}

func (sh *shard) signal() {
	select {
	case sh.wake <- struct{}{}:
	default:
	}
}

// run is the shard's goroutine.
func (sh *shard) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var spare []wasi.Event
	for !sh.stopped() {
		select {
		case <-sh.wake:
		case <-timer.C:
		}
		sh.mu.Lock()
		duties := sh.duties
		sh.duties = nil
		sh.mu.Unlock()
		for _, duty := range duties {
			duty()
		}
		sh.mu.Lock()
		sh.events, sh.queue = sh.queue, spare[:0]
		sh.mu.Unlock()
		spare = sh.events
		sh.introduce()
		sh.step()
		timer.Reset(sh.rest(len(spare) > 0))
	}
}

// stopped ends the shard once its duty to do so has run.
func (sh *shard) stopped() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.ended
}

const (
	never       = time.Hour
	patientFor  = 1000 // steps in a row that an engine may ask for by itself
	shortestNap = time.Millisecond
)

// rest is how long the shard waits for an event. An engine that has more to do
// is called again at once, unless it never stops saying so.
func (sh *shard) rest(hadEvents bool) time.Duration {
	until := sh.untilNext()
	if until > 0 || hadEvents {
		sh.hungry = 0
		return until
	}
	if sh.hungry++; sh.hungry > patientFor {
		return shortestNap
	}
	return 0
}

func (sh *shard) untilNext() time.Duration {
	if sh.next == 0 {
		return never
	}
	return max(time.Duration(sh.next-sh.server.now()), 0)
}

// step lets the engine work. An instance that fails in any way is not called
// again: a trapped one would still answer.
func (sh *shard) step() {
	if sh.instance == nil || (len(sh.events) == 0 && sh.untilNext() > 0) {
		return
	}
	now := sh.server.now()
	sh.tellClock(now)
	next, err := sh.instance.Advance(now, len(sh.events))
	if err != nil {
		sh.server.config.Logger.Error("an instance failed; its sessions end", "sessions", len(sh.sessions), "err", err)
		sh.abandon(replyUnavailable)
		return
	}
	sh.next = next
	sh.weigh()
}

// weigh closes an instance that has become large when its last session is over. Until
// then new sessions are placed elsewhere, if that can be.
func (sh *shard) weigh() {
	large := sh.instance.Large()
	if large && len(sh.sessions) == 0 {
		sh.close()
		return
	}
	sh.tellLarge(large)
}

func (sh *shard) tellLarge(large bool) {
	if large == sh.large {
		return
	}
	sh.server.mu.Lock()
	defer sh.server.mu.Unlock()
	sh.large = large
}

// ready makes sure that the shard has a running engine.
func (sh *shard) ready() error {
	if sh.instance != nil {
		return nil
	}
	i, err := sh.server.program.Instantiate(sh, sh.server.config.Limits.StepTime)
	if err != nil {
		return err
	}
	if err := i.Start(len(sh.server.engineConfig)); err != nil {
		i.Close()
		return err
	}
	sh.instance = i
	sh.next, sh.told = 0, false
	return nil
}

// open begins the session of a new control connection. The engine gets it at once
// or, where the host can greet in its stead, with the first bytes of its client.
func (sh *shard) open(conn net.Conn, p *seat, implicit bool) {
	s := newSession(sh, conn, p)
	s.implicit = implicit
	if sh.draining || sh.stopped() {
		s.refuse(replyShutdown, ErrServerClosed)
		return
	}
	if sh.server.greeting == nil && !sh.serves(s) {
		s.refuse(replyUnavailable, errNoInstance)
		return
	}
	handle, ok := sh.handles.add(s)
	if !ok {
		s.refuse(replyFull, errTooManySessions)
		return
	}
	s.handle = handle
	sh.sessions[handle] = s
	sh.server.present.add(s)
	s.link.session, s.link.handle = handle, handle
	if implicit {
		s.stream.UpgradeTo(sh.server.protection(s.id, nil))
	}
	if sh.server.greeting != nil {
		sh.greet(s)
	} else {
		sh.post(s.opened())
	}
	s.observe(Event{Kind: Connected})
	s.stream.Receive()
}

const replyUnavailable = "421 Service not available, closing control connection.\r\n"

// serves makes sure that there is an instance for a session.
func (sh *shard) serves(s *session) bool {
	err := sh.ready()
	if err != nil {
		sh.server.config.Logger.Error("no instance for a session", "session", s.id, "err", err)
	}
	return err == nil
}

// opened is the event that tells the engine of the session.
func (s *session) opened() wasi.Event {
	e := wasi.Event{Kind: wasi.EventOpen, Session: s.handle, Handle: s.handle}
	if s.implicit {
		e.Value = 1
	}
	return e
}

// greet says the engine's first words, and waits for the client's.
func (sh *shard) greet(s *session) {
	sh.silent[s.handle] = s
	s.greeting = sh.server.greeting
	s.stream.Write(s.greeting)
	limits := &sh.server.config.Limits
	s.patience = time.AfterFunc(min(limits.LoginTime, limits.IdleTime), func() {
		sh.do(func() {
			if sh.silent[s.handle] == s {
				s.stream.Write([]byte("421 Login timed out.\r\n"))
				s.end()
			}
		})
	})
}

// introduce tells the engine of the sessions whose clients have broken their
// silence. Who only hangs up needs no instance.
func (sh *shard) introduce() {
	if len(sh.silent) == 0 {
		return
	}
	var opened []wasi.Event
	for _, e := range sh.events {
		s := sh.silent[e.Session]
		switch {
		case s == nil:
			continue
		case s.stream.SilentEnd():
			s.end()
			continue
		case !sh.serves(s):
			s.stream.Write([]byte(replyUnavailable))
			s.end()
			continue
		}
		s.patience.Stop()
		delete(sh.silent, s.handle)
		opened = append(opened, s.opened())
	}
	sh.events = append(opened, sh.events...)
}

// drain ends the sessions that are idle, and lets the others do what they are at.
// It runs on the shard's goroutine.
func (sh *shard) drain() {
	sh.draining = true
	sh.endSilent(replyShutdown)
	sh.post(wasi.Event{Kind: wasi.EventDrain})
}

// endSilent ends the sessions that the engine does not know.
func (sh *shard) endSilent(reply string) {
	for _, s := range sh.silent {
		s.stream.Write([]byte(reply))
		s.end()
	}
}

// abandon ends the instance and all its sessions at once, each with a last reply.
func (sh *shard) abandon(reply string) {
	for handle, s := range sh.sessions {
		if sh.silent[handle] == nil {
			s.stream.Write([]byte(reply))
			s.end()
		}
	}
	if sh.instance != nil {
		sh.close()
	}
	sh.events = nil
}

// close ends the instance. The next session gets another one.
func (sh *shard) close() {
	sh.instance.Close()
	sh.instance, sh.next = nil, 0
	sh.tellLarge(false)
}

// stop ends the shard. It runs on the shard's goroutine.
func (sh *shard) stop(reply string) {
	sh.endSilent(reply)
	sh.abandon(reply)
	sh.mu.Lock()
	sh.ended = true
	left := sh.duties
	sh.duties = nil
	sh.mu.Unlock()
	for _, duty := range left {
		duty() // finds its session gone, and clears up
	}
}

// rehearse finds out by which words the engine greets its sessions, from one that is
// nobody's, on a server that is nobody's. The result is nil when these are no
// greeting (RFC 959 §5.4), and then only the engine can know them.
func (s *Server) rehearse() (greeting []byte, err error) {
	config := s.config
	config.Observer, config.Logger = nil, slog.New(slog.DiscardHandler)
	stage := newServer(config)
	defer stage.end()
	stage.program = s.program
	sh := newShard(stage)
	if err := sh.ready(); err != nil {
		return nil, err
	}
	defer sh.stop("")
	here, there := net.Pipe()
	defer there.Close()
	sh.open(here, &seat{server: stage, shard: sh, open: 1}, false)
	sh.events, sh.queue = sh.queue, nil
	sh.step()
	for _, session := range sh.sessions {
		if session.stream.Busy() {
			b := make([]byte, conn.MaxUnsent)
			there.SetReadDeadline(time.Now().Add(conn.LingerTime))
			n, _ := there.Read(b)
			greeting = b[:n]
		}
	}
	if !bytes.HasPrefix(greeting, []byte("220")) || !bytes.HasSuffix(greeting, []byte("\r\n")) {
		return nil, nil
	}
	return greeting, nil
}

// Call answers one of the guest's imports.
func (sh *shard) Call(n int, a *wasm.Args) wasi.Errno { return imports[n](sh, a) }

// imports are the host's functions, in the order of the table.
var imports = [len(wasi.Table)]func(*shard, *wasm.Args) wasi.Errno{
	wasi.ConfigRead: (*shard).configRead,
	wasi.EventsRead: (*shard).eventsRead,

	wasi.NetAddress:  (*shard).netAddress,
	wasi.NetRead:     (*shard).netRead,
	wasi.NetWrite:    (*shard).netWrite,
	wasi.NetListen:   (*shard).netListen,
	wasi.NetAccept:   (*shard).netAccept,
	wasi.NetDial:     (*shard).netDial,
	wasi.NetTLS:      (*shard).netTLS,
	wasi.NetDeflate:  (*shard).netDeflate,
	wasi.HandleClose: (*shard).handleClose,

	wasi.AuthHost:  (*shard).authHost,
	wasi.AuthLogin: (*shard).authLogin,

	wasi.SessionUmask: (*shard).sessionUmask,
	wasi.SessionNames: (*shard).sessionNames,
	wasi.SessionList:  (*shard).sessionList,

	wasi.FileStat:   (*shard).fileStat,
	wasi.FileOpen:   (*shard).fileOpen,
	wasi.FileList:   (*shard).fileList,
	wasi.FileCommit: (*shard).fileCommit,
	wasi.FileMake:   (*shard).fileMake,
	wasi.FileRemove: (*shard).fileRemove,
	wasi.FileRename: (*shard).fileRename,
	wasi.FileSet:    (*shard).fileSet,
	wasi.FileSpace:  (*shard).fileSpace,
	wasi.FileCopy:   (*shard).fileCopy,

	wasi.TransferStart:    (*shard).transferStart,
	wasi.TransferProgress: (*shard).transferProgress,
	wasi.TransferHash:     (*shard).transferHash,
}

func (sh *shard) configRead(a *wasm.Args) wasi.Errno {
	config := sh.server.engineConfig
	if len(a.Bytes(0)) < len(config) {
		return wasi.EINVAL
	}
	copy(a.Bytes(0), config)
	putUint32(a.Bytes(1), uint32(len(config)))
	return wasi.OK
}

func (sh *shard) eventsRead(a *wasm.Args) wasi.Errno {
	buf := a.Bytes(0)
	n := min(len(buf)/wasi.EventSize, len(sh.events))
	for i, e := range sh.events[:n] {
		e.Put(buf[i*wasi.EventSize:])
	}
	sh.events = sh.events[n:]
	putUint32(a.Bytes(1), uint32(n))
	return wasi.OK
}
