package ftp

import "bytes"

// phase is how far a session's life has come.
type phase uint8

const (
	phaseActive   phase = iota
	phaseQuitting       // after QUIT: the session ends once its transfer has
	phaseEnding         // after the last reply: the session ends once that is sent
	phaseLost           // the control connection is gone
	phaseEnded          // closed and forgotten by the world
)

// session is one control connection and all that belongs to it.
type session struct {
	e      *Engine
	handle Handle
	phase  phase

	queued   bool // it is in the engine's queue
	readable bool // the control connection may have more to read
	corked   bool // replies stay in unsent until the transfer ends or has to wait (see begin)
	waiting  bool // the world owes an answer: EventReady will say that it is there
	drained  bool // EventDrain came for this session alone

	slot     int   // its place among the timers
	deadline int64 // its next timer is not due before; 0 is none
	begun    int64 // when the time to log in began
	heard    int64 // when the client was last active; for loginDelayed, when the reply is due

	lines   lines
	unsent  []byte // replies that are corked, or that the connection had no room for
	current int    // length of the line whose command waits for the world's answer, 0 if none does
	held    int    // bytes of whole lines that wait for the end of the transfer
	stage   int    // how far a command has come that makes several calls
	strange int    // how many bad commands came before the login

	identity
	preparation
	parameters
	protection
	dataConnection
	transfer transfer
}

// mostKept is how large a buffer may be that a session keeps while it is empty.
const mostKept = 256

func newSession(e *Engine) *session {
	s := &session{e: e}
	s.reset()
	return s
}

// reset makes the session as good as new, keeping its buffers.
func (s *session) reset() {
	l := &s.lines
	l.buf = l.buf[:0]
	s.e.shrink(l)
	s.identity = identity{user: s.user, dir: s.dir}
	s.forgetLogin()
	s.preparation.reset()
	s.parameters.reset()
	*s = session{
		e: s.e, queued: s.queued, unsent: s.unsent[:0],
		identity: s.identity, preparation: s.preparation, parameters: s.parameters,
	}
	s.readable = true
}

// handleEvent records an event in the state of the session. It ignores events of
// handles that the session no longer has.
func (s *session) handleEvent(event *Event) {
	switch event.Kind {
	case EventReadable:
		if event.Handle == s.handle {
			s.readable = true
		}
	case EventWritable:
		if event.Handle != 0 && event.Handle == s.conn {
			s.dataReady(event.Err)
		}
	case EventReady:
		s.waiting = false
	case EventDrain:
		s.drained = true
	case EventHangup:
		s.hungUp()
	case EventRights:
		if s.login == loginDone {
			s.rights, s.able, s.style = event.Rights, event.Able, nil
		}
	case EventTransfer:
		if event.Handle == s.transfer.file && s.transfer.state == transferMoving && s.transfer.dtp == nil {
			s.transferred(event.Err, event.Bytes)
		}
	}
}

// run does the session's work, up to the limits of one turn.
func (s *session) run() {
	e := s.e
	e.turn = e.spent + turnWork
	for i := 0; i < unitsPerStep && e.spent < e.turn; i++ {
		e.spent += unitWork
		if s.proceed() {
			if s.rests() {
				return
			}
			continue
		}
		if !s.corked {
			return
		}
		s.corked = false // the replies are sent, and then the next line may be read
	}
	e.wake(s)
}

// rests reports whether the session plainly waits for the next command: so it is mostly after
// one.
func (s *session) rests() bool {
	return len(s.lines.buf)+len(s.unsent) == 0 && !s.readable && s.phase == phaseActive &&
		s.transfer.state == transferIdle && !s.e.draining && !s.drained
}

// proceed does one unit of work, and reports false when there is none.
func (s *session) proceed() bool {
	if len(s.unsent) > 0 && !s.corked && s.phase < phaseLost {
		s.flush()
	}
	switch {
	case s.phase == phaseEnded:
		return false
	case s.phase == phaseLost:
		s.end()
		return false
	case len(s.unsent) > 0 && s.transfer.state == transferIdle:
		return false
	case s.phase == phaseEnding:
		s.end()
		return false
	case s.transfer.state != transferIdle:
		// First the line: an ABOR must not wait for a long listing, and an upload
		// must not be committed if its client is gone.
		line := s.proceedLine()
		if s.phase == phaseLost || line && s.transfer.state >= transferCommitting {
			return true
		}
		return s.proceedTransfer() || line
	case s.phase == phaseQuitting:
		s.end()
		return false
	case s.current > 0:
	case s.e.draining:
		s.say(replyDraining)
		return true
	case s.drained:
		s.say(replyDrained)
		return true
	}
	return s.proceedLine()
}

// proceedLine acts on the next line, and reports false if that has to wait.
func (s *session) proceedLine() bool {
	switch {
	case s.phase != phaseActive, len(s.unsent) > 0, s.waiting && s.current > 0, s.login == loginDelayed:
		return false
	case s.transfer.list != nil && s.transfer.list.control:
		return false // the reply is not yet whole
	}
	if s.current > 0 {
		return s.act(0, s.current)
	}
	l := &s.lines
	end, ok := l.next(s.held)
	if !ok {
		if !s.readMore() {
			return false
		}
		if s.phase != phaseActive || len(s.unsent) > 0 {
			return true
		}
		s.e.spent += unitWork
		if end, ok = l.next(s.held); !ok {
			return true
		}
	}
	if l.skip {
		l.skip = false
		s.cut(s.held, end)
		return true
	}
	if s.transfer.state != transferIdle && !s.answersNow(l.buf[s.held:end]) {
		s.held = end
		return true
	}
	return s.act(s.held, end)
}

// act obeys the line buf[from:to] and takes it out of the buffer. If its command waits
// for an answer, the line stays and is obeyed again.
func (s *session) act(from, to int) bool {
	if s.current == 0 {
		s.heard = s.e.now
	}
	line, secure := trimLine(s.lines.buf[from:to]), s.secure
	s.e.spent += len(line) * lineWork
	if len(line) > s.e.config.LineLength {
		s.say(replyLineTooLong)
	} else if s.obey(line) == ErrAgain {
		s.current = to
		s.waiting = true
		return false
	}
	s.current, s.stage = 0, 0
	if s.secure != secure {
		from, to, s.held = 0, len(s.lines.buf), 0
	}
	s.cut(from, to)
	return true
}

// readMore reads on behind the last whole line. A line that is too long for the buffer
// is answered at once, and dropped as it comes.
func (s *session) readMore() bool {
	l := &s.lines
	if l.skip {
		s.cut(s.held, len(l.buf))
	}
	if s.read() {
		if s.login == loginNone && s.strange == 0 && bytes.HasPrefix(l.buf, tlsRecord) {
			s.say(replyNotFTP)
		}
		return true
	}
	if s.phase == phaseLost {
		return true
	}
	if len(l.buf)-s.held > s.e.config.LineLength+lineEndRoom-1 && !l.skip {
		l.skip = true
		s.cut(s.held, len(l.buf))
		s.say(replyLineTooLong)
		return true
	}
	return false
}

// hungUp ends the session of a client that is gone while a command or a transfer
// waits. Otherwise the next read will tell.
func (s *session) hungUp() {
	if s.phase == phaseActive && (s.waiting || s.transfer.state != transferIdle) && !s.quits() {
		s.phase = phaseLost
	}
}

// quits reports whether QUIT is among the lines that are still to be obeyed. The client
// may close the control connection after QUIT without aborting its transfer
// (RFC 959 §4.1.1).
func (s *session) quits() bool {
	for line := range bytes.Lines(s.lines.buf) {
		if _, verb, _ := cutCommand(trimLine(line)); isWord(verb, "QUIT") {
			return true
		}
	}
	return false
}

// end closes the session and all it owns.
func (s *session) end() {
	s.dropTransfer()
	s.dropData()
	s.e.sessions.remove(s)
	s.e.world.Close(s.handle)
	s.phase = phaseEnded
}

// send writes to the control connection. Bytes that find no room wait in unsent.
func (s *session) send(p []byte) {
	if s.phase >= phaseLost {
		return
	}
	s.e.spent += len(p) / bytesOfWork
	if len(s.unsent) == 0 && !s.corked {
		n, err := s.e.world.Write(s.handle, p)
		if err != nil && err != ErrAgain {
			s.phase = phaseLost
			return
		}
		p = p[n:]
	}
	s.unsent = append(s.unsent, p...)
}

// flush sends what waits in unsent.
func (s *session) flush() {
	n, err := s.e.world.Write(s.handle, s.unsent)
	if err != nil && err != ErrAgain {
		s.phase = phaseLost
		return
	}
	s.unsent = s.unsent[:copy(s.unsent, s.unsent[n:])]
	if len(s.unsent) == 0 && cap(s.unsent) > mostKept {
		s.unsent = nil
	}
}

// tlsRecord begins a TLS handshake. A session that begins with it is not FTP.
var tlsRecord = []byte{0x16, 0x03}
