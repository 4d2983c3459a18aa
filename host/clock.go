package host

import (
	"time"

	"wasiftp/wasi"
)

// clock is the engine's time and the wall clock, both in ns since 1970. The engine's
// follows the monotonic clock, so it never goes back; the wall clock may be set.
func (s *Server) clock() (now, wall int64) {
	t := time.Now()
	now = s.began.UnixNano() + int64(t.Sub(s.began))
	if s.wall != nil {
		t = s.wall()
	}
	return now, t.UnixNano()
}

// time is the instant of the engine's time now; zero for 0.
func (s *Server) time(now int64) time.Time {
	if now == 0 {
		return time.Time{}
	}
	return s.began.Add(time.Duration(now - s.began.UnixNano()))
}

// clockSlack is how far the engine's idea of the wall clock may be off, in ns.
const clockSlack = int64(time.Second)

// tellClock adds an EventClock to the step at now, unless the engine knows the wall clock
// already: it may have been set since the start.
func (sh *shard) tellClock(now, wall int64) {
	if off := wall - now - sh.ahead; sh.told && -clockSlack <= off && off <= clockSlack {
		return
	}
	sh.told, sh.ahead = true, wall-now
	sh.events = append([]wasi.Event{{Kind: wasi.EventClock, Value: uint64(wall)}}, sh.events...)
}
