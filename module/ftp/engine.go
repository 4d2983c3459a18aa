package ftp

import (
	"runtime"
)

const (
	defaultLineLength = 4096

	// A session does at most this many units of work (commands, pages of a
	// listing) in one step, so that none keeps the others waiting.
	unitsPerStep = 8

	// WebAssembly has no preemption: the garbage collector runs only when the guest
	// yields, which it does once in so many steps.
	stepsPerYield = 64
)

// Engine is the server-PI of many sessions. It is not safe for use by several
// goroutines at once.
type Engine struct {
	world  World
	config Config
	verbs  []Verb // the table, which its own functions cannot name: that would be a cycle
	sites  []Verb // the table of the commands of SITE
	site   *Verb  // the row of SITE itself
	index  verbIndex
	has    Need // what the world and the configuration offer
	style  longStyle
	zones  [][]ZoneChange // of accounts' styles, which share them

	// One of these two is nil.
	transferer Transferer
	streams    Streams

	// Not nil if has says that the engine may use them.
	hasher        Hasher
	deflater      Deflater
	spacer        Spacer
	hosts         Hosts
	tlsStopper    TLSStopper
	tlsJoiner     TLSJoiner
	umaskSetter   UmaskSetter
	sessionLister SessionLister
	sessionKicker SessionKicker
	linker        Linker
	treeRemover   TreeRemover
	copier        Copier

	namer    Namer        // nil: names are the same with and without UTF-8
	enterer  Enterer      // nil: every directory can be entered
	programs ProgramNamer // nil: nobody wants to know the clients' programs
	styler   Styler       // nil: the style of the configuration is that of all accounts

	now      int64 // the time by a clock that is never set; limits of time count by it
	ahead    int64 // how far the wall clock is ahead of now
	steps    uint
	draining bool // EventDrain was for all sessions
	probed   bool // probe has asked the world

	sessions table
	free     []*session // ended sessions, to be used again
	queue    []*session // sessions that may have something to do, in the order in which they came
	timers   timers
	spent    int // the work done in this step
	turn     int // how far spent may grow before the present session's turn ends
	listed   int // bytes of memory that all listings have

	scratch []byte     // the reply being composed
	name    []byte     // the pathname being resolved
	lists   []*listing // listings at rest
	dtps    []*dtp     // server-DTPs at rest

	shortLines, longLines buffers
}

// New makes an engine, without sessions yet. It panics if the world neither is a
// [Transferer] nor has [Streams].
func New(world World, config Config) *Engine {
	if config.LineLength <= 0 {
		config.LineLength = defaultLineLength
	}
	e := &Engine{world: world, config: config, verbs: verbs, sites: siteVerbs, sessions: newTable(16)}
	e.style.set(Style{config.Behaviour.Owner, config.Behaviour.Group, config.Zone})
	if !config.PassiveOnly {
		e.has |= NeedActive
	}
	if config.TLS {
		e.has |= NeedTLS
	}
	var ok bool
	if e.transferer, ok = world.(Transferer); !ok {
		if e.streams, ok = world.(Streams); !ok {
			panic("ftp: the world is no Transferer and has no Streams")
		}
	}
	e.namer, _ = world.(Namer)
	e.enterer, _ = world.(Enterer)
	e.programs, _ = world.(ProgramNamer)
	e.styler, _ = world.(Styler)
	behaviour, allow := &config.Behaviour, &config.Allow
	detect(e, &e.hasher, !behaviour.NoHash, NeedHash)
	detect(e, &e.deflater, !behaviour.NoModeZ, NeedDeflate)
	detect(e, &e.spacer, true, NeedSpace)
	detect(e, &e.hosts, true, NeedHosts)
	detect(e, &e.tlsStopper, allow.CCC, NeedCCC)
	detect(e, &e.tlsJoiner, allow.SSCN, NeedSSCN)
	detect(e, &e.tlsJoiner, allow.CPSV, NeedCPSV)
	detect(e, &e.umaskSetter, true, NeedUmask)
	detect(e, &e.sessionLister, true, NeedSessions)
	detect(e, &e.sessionKicker, true, NeedKick)
	detect(e, &e.linker, allow.SiteSymlink, NeedLinks)
	detect(e, &e.treeRemover, allow.SiteRmdir, NeedTrees)
	detect(e, &e.copier, allow.SiteCopy, NeedCopy)
	detect(e, &e.copier, allow.Combine, NeedCombine)
	for i := range verbs {
		e.index.add(&verbs[i])
	}
	e.site = e.index.get(verbKey([]byte("SITE")))
	return e
}

// detect stores the world as *part if it implements T, and adds need to what the engine
// has if the configuration allows it.
func detect[T any](e *Engine, part *T, allowed bool, need Need) {
	var ok bool
	if *part, ok = e.world.(T); ok && allowed {
		e.has |= need
	}
}

// Step handles events and does the work that needs no waiting, up to a limit. now is
// the time in ns since 1970, by a clock that is never set (see [EventClock]); an earlier
// time than the last one counts as the last one. next is the time of the next step if no
// event comes before, 0 for none; if it is not after now, there is work left to do.
func (e *Engine) Step(now int64, events []Event) (next int64) {
	e.Notice(now, events)
	if e.steps++; e.steps%stepsPerYield == 0 {
		runtime.Gosched()
	}
	for s := e.timers.due(e.now); s != nil; s = e.timers.due(e.now) {
		s.expire()
		_, at := s.nextTimer()
		e.timers.set(s, at)
		e.wake(s)
	}
	e.work()
	if len(e.queue) > 0 {
		return max(e.now, 1)
	}
	return e.timers.next()
}

// Notice handles events, and leaves the work that follows from them to the next Step. So a
// caller whose events come in several slices makes one step for all of them.
func (e *Engine) Notice(now int64, events []Event) {
	e.now = max(e.now, now)
	for i := range events {
		e.handle(&events[i])
	}
}

// handle gives an event to the session it is for. Events of sessions that are
// gone are ignored.
func (e *Engine) handle(event *Event) {
	switch {
	case event.Kind == EventOpen:
		if e.sessions.get(event.Session) == nil {
			e.open(event.Session, event.Secure)
		}
		return
	case event.Kind == EventDrain && event.Session == 0:
		e.draining = true
		for _, s := range e.sessions.slots {
			if s != nil {
				e.wake(s)
			}
		}
		return
	case event.Kind == EventClock:
		e.ahead = event.Time - e.now
		return
	}
	if s := e.sessions.get(event.Session); s != nil {
		s.handleEvent(event)
		e.wake(s)
	}
}

// lately is the wall clock's time and two seconds more. A file that was just written is not
// newer, though its system's clock and the engine's differ a little.
func (e *Engine) lately() int64 { return e.now + e.ahead + 2*second }

// wake puts a session into the queue, unless it is there.
func (e *Engine) wake(s *session) {
	if !s.queued {
		s.queued = true
		e.queue = append(e.queue, s)
	}
}

// work gives each session in the queue one turn, until the step has done its work.
// Sessions that got no turn come first in the next step.
func (e *Engine) work() {
	e.spent = 0
	waiting, served := len(e.queue), 0
	for ; served < waiting && e.spent < stepWork; served++ {
		s := e.queue[served]
		s.queued = false
		s.run()
		if l := s.transfer.list; l != nil {
			e.measure(l)
		}
		if s.phase == phaseEnded {
			e.timers.set(s, 0)
			s.reset()
			e.free = append(e.free, s)
		} else {
			s.arm()
		}
	}
	// Engine.free keeps all sessions anyway, so the rest of the queue may still name some.
	left := 0
	if served < len(e.queue) {
		left = copy(e.queue, e.queue[served:])
	}
	e.queue = e.queue[:left]
}

// open begins the session of a new control connection.
func (e *Engine) open(h Handle, secure bool) {
	var s *session
	if n := len(e.free); n > 0 {
		s, e.free = e.free[n-1], e.free[:n-1]
	} else {
		s = newSession(e)
	}
	s.handle = h
	s.begun, s.heard = e.now, e.now
	// Clients of implicit TLS that do not know PROT expect it to be P.
	s.protection = protection{secure: secure, bufferSized: secure, protected: secure}
	e.sessions.add(s)
	e.wake(s)
	e.probe(h)
	if e.draining {
		s.say(replyDraining)
		return
	}
	s.greet()
}
