package host

import (
	"bytes"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// shard is an instance with its sessions, and the goroutine that runs them. Other
// goroutines use only post and do, and the fields with a lock.
type shard struct {
	server   *Server
	briefing *briefing      // of its instance
	instance *wasm.Instance // nil until a session needs it, and after it trapped
	handles  handles
	sessions int                 // that the handles have
	silent   map[uint32]*session // the sessions that the engine does not know yet, as their clients have sent nothing
	draining bool
	events   []wasi.Event // of the present step, not yet read by the guest
	hungry   int          // steps in a row that the engine asked for without an event
	next     int64        // time of the next step that the engine asked for, ns since 1970; 0 is never
	ahead    int64        // ns from server.now to the wall clock, as the engine was told
	told     bool         // the engine was told the wall clock
	reserved int          // sessions placed here and not yet over; guarded by server.mu
	large    bool         // the instance should be replaced; guarded by server.mu, set by the shard alone
	ran      atomic.Int64 // when the latest step began, by server.clock; 0 is never
	poll     *conn.Poll   // where run waits
	tally    *tally
	chores   []*question // of the present step: quick ones, to be answered behind it
	deputy   deputy
	spare    []wasi.Event // room for the next events
	silence  int          // steps in a row that kept the replies waiting
	speakers []*session   // with replies that wait
	rooms    [][]byte     // empty buffers for replies

	mu     sync.Mutex
	queue  []wasi.Event
	duties []func()
	ended  bool
}

func newShard(s *Server) *shard {
	return &shard{
		server: s, briefing: s.current().briefing, silent: map[uint32]*session{}, poll: conn.NewPoll(), tally: s.counter.begin(),
	}
}

// post queues an event for the guest's next step.
func (sh *shard) post(e wasi.Event) {
	sh.mu.Lock()
	sh.queue = append(sh.queue, e)
	sh.mu.Unlock()
	sh.poll.Wake()
}

// do has duty run on the shard's goroutine. It returns false, and drops duty, if the shard
// has ended.
func (sh *shard) do(duty func()) bool {
	sh.mu.Lock()
	ended := sh.ended
	if !ended {
		sh.duties = append(sh.duties, duty)
	}
	sh.mu.Unlock()
	sh.poll.Wake()
	return !ended
}

// run is the shard's goroutine. It ends with the shard, or once a deputy has taken over.
func (sh *shard) run() {
	for {
		for _, duty := range sh.takeDuties() {
			duty()
		}
		var ended bool
		if sh.events, ended = sh.takeEvents(sh.spare[:0]); ended {
			break
		}
		sh.spare = sh.events
		sh.introduce()
		sh.step()
		if len(sh.chores) > 0 {
			sh.speak()
			if !sh.doChores() {
				return
			}
		}
		if !sh.goesOn() {
			sh.speak()
			sh.rest(len(sh.spare) > 0)
		}
	}
	sh.leaveChores()
	sh.server.counter.end(sh.tally)
	sh.poll.End()
	sh.server.running.Done()
}

// mostSilent is how often the engine is called again before replies are sent and sockets
// looked at.
const mostSilent = 4

// goesOn says whether the step has caused events of its own, for which the engine is called
// at once.
func (sh *shard) goesOn() bool {
	sh.mu.Lock()
	more := len(sh.queue) > 0 && !sh.ended
	sh.mu.Unlock()
	if !more || sh.silence == mostSilent {
		sh.silence = 0
		return false
	}
	sh.silence++
	return true
}

func (sh *shard) takeDuties() []func() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	duties := sh.duties
	sh.duties = nil
	return duties
}

// takeEvents returns the events that are queued; room becomes the new queue. ended says
// that stop has run.
func (sh *shard) takeEvents(room []wasi.Event) (events []wasi.Event, ended bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	events, sh.queue = sh.queue, room
	return events, sh.ended
}

// stopped reports whether stop has run.
func (sh *shard) stopped() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.ended
}

const (
	patientFor  = 1000 // steps in a row that an engine may ask for without an event
	shortestNap = time.Millisecond
)

// rest waits for an event, or the time that the engine asked for. An engine that has more
// to do is called again at once, but only patientFor times in a row.
func (sh *shard) rest(hadEvents bool) {
	due := sh.next != 0 && sh.next <= sh.ran.Load()
	if !due || hadEvents {
		sh.hungry = 0
	} else {
		sh.hungry++
	}
	switch {
	case !due:
		sh.poll.Wait(sh.server.time(sh.next))
	case sh.hungry > patientFor:
		sh.poll.Wait(time.Now().Add(shortestNap))
	default:
		sh.poll.Look()
	}
}

// step calls the engine, if there is an event or its time has come. An instance that
// fails is not called again: a trapped one would still answer.
func (sh *shard) step() {
	if sh.instance == nil || len(sh.events) == 0 && sh.next == 0 {
		return
	}
	now, wall := sh.server.clock()
	if len(sh.events) == 0 && sh.next > now {
		return
	}
	sh.ran.Store(now)
	sh.tellClock(now, wall)
	next, err := sh.instance.Advance(now, len(sh.events))
	sh.tally.stepped(sh.instance.Burnt(), sh.instance.Memory())
	if err != nil {
		sh.tally.failed()
		sh.server.logger.Error("an instance failed; its sessions end", "sessions", sh.sessions, "err", err)
		sh.abandon(replyUnavailable)
		return
	}
	sh.next = next
	sh.weigh()
}

// weigh closes a large instance when its last session is over. Until then new sessions
// go to other instances where possible.
func (sh *shard) weigh() {
	large := sh.instance.Large()
	if large && sh.sessions == 0 {
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

// ready starts an instance if the shard has none.
func (sh *shard) ready() error {
	if sh.instance != nil {
		return nil
	}
	i, err := sh.server.program.Instantiate(sh, sh.server.current().Limits.StepTime)
	if err != nil {
		return err
	}
	if err := i.Start(len(sh.briefing.record)); err != nil {
		i.Close()
		return err
	}
	sh.instance = i
	sh.tally.started(i.Memory())
	sh.next, sh.told = 0, false
	return nil
}

// open begins the session of a new control connection. The engine learns of it at once
// or, if the host knows the greeting, with the client's first bytes.
func (sh *shard) open(a *conn.Arrival, p *seat, implicit bool) {
	s := newSession(sh, a, p)
	s.implicit = implicit
	if sh.draining || sh.stopped() {
		s.refuse(replyShutdown, ErrServerClosed)
		return
	}
	if sh.briefing.greeting == nil && !sh.serves(s) {
		s.refuse(replyUnavailable, errNoInstance)
		return
	}
	handle, ok := sh.handles.add(s)
	if !ok {
		s.refuse(replyFull, errTooManySessions)
		return
	}
	s.handle = handle
	sh.sessions++
	sh.server.present.add(s)
	s.link.session, s.link.handle = handle, handle
	if implicit {
		s.stream.UpgradeTo(s.protection(nil))
	}
	if sh.briefing.greeting != nil {
		sh.greet(s)
	} else {
		sh.post(s.opened())
	}
	s.observe(Event{Kind: Connected})
	s.stream.Receive()
}

const replyUnavailable = "421 Service not available, closing control connection.\r\n"

// serves starts an instance for a session if there is none, and logs a failure.
func (sh *shard) serves(s *session) bool {
	err := sh.ready()
	if err != nil {
		sh.tally.failed()
		sh.server.logger.Error("no instance for a session", "session", s.id, "err", err)
	}
	return err == nil
}

// opened is the event by which the engine learns of the session.
func (s *session) opened() wasi.Event {
	e := wasi.Event{Kind: wasi.EventOpen, Session: s.handle, Handle: s.handle}
	if s.implicit {
		e.Value = 1
	}
	return e
}

// greet sends the greeting for the engine, and limits the wait for the client's first bytes.
func (sh *shard) greet(s *session) {
	sh.silent[s.handle] = s
	s.greeting = sh.briefing.greeting
	s.stream.Write(s.greeting)
	limits := &s.config.Limits
	s.patience = time.AfterFunc(min(limits.LoginTime, limits.IdleTime), func() {
		sh.do(func() {
			if sh.silent[s.handle] == s {
				s.farewell("421 Login timed out.\r\n")
				s.end()
			}
		})
	})
}

// introduce adds the EventOpen of each silent session with an event. A client that only
// hung up needs no instance.
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
			s.farewell(replyUnavailable)
			s.end()
			continue
		}
		s.patience.Stop()
		delete(sh.silent, s.handle)
		opened = append(opened, s.opened())
	}
	sh.events = append(opened, sh.events...)
}

// drain ends the idle sessions, and each other one once it is idle. It runs on the shard's
// goroutine.
func (sh *shard) drain() {
	sh.draining = true
	sh.endSilent(replyShutdown)
	sh.post(wasi.Event{Kind: wasi.EventDrain})
}

// endSilent ends the sessions that the engine does not know yet.
func (sh *shard) endSilent(reply string) {
	for _, s := range sh.silent {
		s.farewell(reply)
		s.end()
	}
}

// abandon ends the instance and all sessions that it knows at once, each with reply.
func (sh *shard) abandon(reply string) {
	for s := range sh.handles.sessions {
		if sh.silent[s.handle] == nil {
			s.speak()
			s.farewell(reply)
			s.end()
		}
	}
	if sh.instance != nil {
		sh.close()
	}
	sh.events = nil
}

// close ends the instance. The next session gets a new one.
func (sh *shard) close() {
	sh.instance.Close()
	sh.tally.closed()
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
		duty() // its session is gone: it only releases things
	}
}

// rehearse returns the engine's first reply to a session without a client, on a server of
// its own. It returns nil if that is no 220 (RFC 959 §5.4): then only the engine can send
// it.
func (s *Server) rehearse(of *setup) (greeting []byte, err error) {
	config := of.Config
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
	sh.open(conn.Arrived(here), &seat{server: stage, shard: sh, config: stage.current(), open: 1}, false)
	sh.events, sh.queue = sh.queue, nil
	sh.step()
	sh.speak()
	for session := range sh.handles.sessions {
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

// Call runs import n of the guest.
func (sh *shard) Call(n int, a *wasm.Args) wasi.Errno { return imports[n](sh, a) }

// imports are the host's functions, by their index in wasi.Table.
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
	wasi.SessionKick:  (*shard).sessionKick,

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
	config := sh.briefing.record
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
		if e.Kind == wasi.EventRights {
			e.Value = sh.rightsOf(e.Session)
		}
		e.Put(buf[i*wasi.EventSize:])
	}
	sh.events = sh.events[n:]
	putUint32(a.Bytes(1), uint32(n))
	return wasi.OK
}
