package ftp

import "cmp"

const second = 1_000_000_000 // ns

// timer is the kind of a session's deadline.
type timer uint8

const (
	timerNone timer = iota
	timerLogin
	timerIdle
	timerDelay // of the reply to a failed login
	timerData
	timerStall
)

// nextTimer is the session's next deadline and its kind; timerNone and 0 if it has none.
func (s *session) nextTimer() (timer, int64) {
	c := &s.e.config
	switch {
	case s.phase >= phaseLost:
		return timerNone, 0
	case s.login == loginDelayed:
		return timerDelay, s.heard
	case s.transfer.state == transferConnecting:
		return after(timerData, s.transfer.since, c.DataTime)
	case s.transfer.state == transferMoving || s.transfer.state == transferListing:
		return after(timerStall, s.transfer.since, c.StallTime)
	case s.waiting: // the world has time-outs of its own
		return timerNone, 0
	}
	kind, at := after(timerIdle, s.heard, s.idleTime())
	if s.login != loginDone && s.phase == phaseActive {
		if _, login := after(timerLogin, s.begun, c.LoginTime); login != 0 && (at == 0 || login < at) {
			return timerLogin, login
		}
	}
	return kind, at
}

// maxIdle is the longest idle time that a client can choose, in seconds.
const maxIdle = 7 * day

// idleTime is how long the session may be idle, in ns; 0 is no limit.
func (s *session) idleTime() int64 { return cmp.Or(s.idle, s.e.config.IdleTime) }

// after is the deadline some time after a moment. There is none if that time is 0, or
// if the sum is too large for an int64. A deadline is never 0, which is none.
func after(kind timer, moment, time int64) (timer, int64) {
	if time <= 0 || moment+time < moment {
		return timerNone, 0
	}
	return kind, max(moment+time, 1)
}

// arm sees to it that the session's next deadline is met. Mostly a deadline only moves away,
// with each command: then the session keeps its place among the timers, and when it is due
// there, Step sets it anew.
func (s *session) arm() {
	if _, at := s.nextTimer(); at != 0 && (s.deadline == 0 || at < s.deadline) {
		s.e.timers.set(s, at)
	}
}

// expire acts on a deadline that has come.
func (s *session) expire() {
	kind, at := s.nextTimer()
	if at > s.e.now {
		return
	}
	switch kind {
	case timerDelay:
		s.heard = s.e.now
		s.say(replyTo(s.endLogin(), false))
	case timerData:
		s.dataFailed(ErrTimeout)
	case timerStall:
		s.stalled()
	case timerLogin, timerIdle:
		s.timedOut(kind)
	}
}

// timedOut ends a session that nobody uses. A client that does not even read its
// replies gets no 421.
func (s *session) timedOut(kind timer) {
	switch {
	case len(s.unsent) > 0 || s.phase != phaseActive:
		s.phase = phaseLost
	case kind == timerLogin:
		s.say(replyLoginTimeout)
	default:
		s.say(replyIdleTimeout)
	}
}
