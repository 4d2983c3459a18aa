package ftp

import (
	"runtime"
	"slices"
)

const (
	defaultLineLength = 4096

	// A session does at most this many units of work (commands, pages of a
	// listing) in one step, so that none keeps the others waiting.
	unitsPerStep = 8

	// WebAssembly has no preemption: the collector runs only when the guest
	// yields, so every so many steps it does.
	stepsPerYield = 64
)

// Engine is the server-PI of many sessions. It is not safe for use by several
// goroutines at once.
type Engine struct {
	world  World
	config Config
	verbs  []Verb // the table
	sites  []Verb // that of the commands of SITE
	index  map[uint64]*Verb
	has    Need
	style  longStyle

	// One of them is there.
	transferer Transferer
	streams    Streams

	// nil unless has says that they are there.
	hasher        Hasher
	deflater      Deflater
	spacer        Spacer
	hosts         Hosts
	namer         Namer
	tlsStopper    TLSStopper
	tlsJoiner     TLSJoiner
	umaskSetter   UmaskSetter
	sessionLister SessionLister
	linker        Linker
	treeRemover   TreeRemover
	copier        Copier

	enterer Enterer // nil: every directory can be entered

	now      int64 // by a clock that nobody sets: for how long something takes
	ahead    int64 // how far people's clocks are ahead of it
	steps    uint
	draining bool
	sought   bool // whether the world has virtual hosts is known

	sessions map[Handle]*session
	free     []*session
	queue    []*session // sessions with something to do, who has waited longest first
	timers   timers
	spent    int // work of this step
	turn     int // where in it the turn of the present session ends
	listed   int // bytes of memory that all listings have

	scratch []byte     // the reply being composed
	name    []byte     // the pathname being resolved
	lines   [][]byte   // buffers for long control lines
	lists   []*listing // listings at rest
	dtps    []*dtp     // server-DTPs at rest
}

// New makes an engine without sessions on a world. It panics on one in which no
// byte of a file can move.
func New(world World, config Config) *Engine {
	if config.LineLength <= 0 {
		config.LineLength = defaultLineLength
	}
	e := &Engine{world: world, config: config, verbs: verbs, sites: siteVerbs, sessions: make(map[Handle]*session)}
	e.style = longStyle{ownerColumns(config.Behaviour.Owner, config.Behaviour.Group), config.Zone}
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
	behaviour, allow := &config.Behaviour, &config.Allow
	find(e, &e.hasher, !behaviour.NoHash, NeedHash)
	find(e, &e.deflater, !behaviour.NoModeZ, NeedDeflate)
	find(e, &e.spacer, true, NeedSpace)
	find(e, &e.hosts, true, NeedHosts)
	find(e, &e.tlsStopper, allow.CCC, NeedCCC)
	find(e, &e.tlsJoiner, allow.SSCN, NeedSSCN)
	find(e, &e.tlsJoiner, allow.CPSV, NeedCPSV)
	find(e, &e.umaskSetter, true, NeedUmask)
	find(e, &e.sessionLister, true, NeedSessions)
	find(e, &e.linker, allow.SiteSymlink, NeedLinks)
	find(e, &e.treeRemover, allow.SiteRmdir, NeedTrees)
	find(e, &e.copier, allow.SiteCopy, NeedCopy)
	find(e, &e.copier, allow.Combine, NeedCombine)
	e.index = make(map[uint64]*Verb, len(verbs))
	for i := range verbs {
		e.index[verbKey([]byte(verbs[i].Name))] = &verbs[i]
	}
	return e
}

// find finds out whether the world is a T too; what needs one is there where that
// is allowed besides.
func find[T any](e *Engine, part *T, allowed bool, need Need) {
	var ok bool
	if *part, ok = e.world.(T); ok && allowed {
		e.has |= need
	}
}

// Step takes in what has happened and does what needs no waiting, up to a limit.
// now is the time in ns since 1970, by a clock that nobody sets (see [EventClock]); a
// time before the last one counts as the last one.
// The result is the time at which the engine wants to be called even without an
// event, 0 for never; a time that is not after now means that there is more to
// do already.
func (e *Engine) Step(now int64, events []Event) (next int64) {
	e.Notice(now, events)
	if e.steps++; e.steps%stepsPerYield == 0 {
		runtime.Gosched()
	}
	for {
		s := e.timers.due(e.now)
		if s == nil {
			break
		}
		s.expire()
		s.arm()
		e.wake(s)
	}
	e.work()
	if len(e.queue) > 0 {
		return max(e.now, 1)
	}
	return e.timers.next()
}

// Notice takes in what has happened, and leaves what is to be done about it to the
// next Step: a caller that has its events in pieces makes one step of all.
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
		if e.sessions[event.Session] == nil {
			e.open(event.Session, event.Secure)
		}
		return
	case event.Kind == EventDrain && event.Session == 0:
		e.draining = true
		for _, s := range e.sessions {
			e.wake(s)
		}
		return
	case event.Kind == EventClock:
		e.ahead = event.Time - e.now
		return
	}
	if s := e.sessions[event.Session]; s != nil {
		s.handleEvent(event)
		e.wake(s)
	}
}

// lately is a time by the clocks that people read that no file is beyond which was
// just written: those of its system and of the engine are not quite one.
func (e *Engine) lately() int64 { return e.now + e.ahead + 2*second }

// wake has a session looked at before the step ends.
func (e *Engine) wake(s *session) {
	if !s.queued {
		s.queued = true
		e.queue = append(e.queue, s)
	}
}

// work lets the sessions that have something to do, do some of it, one after the
// other. Those that it does not get to come first in the next step.
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
			e.recycle(s)
		} else {
			s.arm()
		}
	}
	e.queue = slices.Delete(e.queue, 0, served)
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
	e.sessions[h] = s
	e.wake(s)
	e.seekHosts(h)
	if e.draining {
		s.say(replyDraining)
		return
	}
	s.greet()
}

// recycle keeps what is left of an ended session for the next one.
func (e *Engine) recycle(s *session) {
	e.timers.set(s, 0)
	s.reset()
	e.free = append(e.free, s)
}
