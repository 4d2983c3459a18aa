package host

import (
	"time"

	"wasiftp/wasi"
)

// now is the engine's time, in ns since 1970. It follows the monotonic clock, so it never
// goes back.
func (s *Server) now() int64 { return s.began.UnixNano() + int64(time.Since(s.began)) }

// clock is the wall clock, which may be set.
func (s *Server) clock() time.Time {
	if s.wall != nil {
		return s.wall()
	}
	return time.Now()
}

// clockSlack is how far the engine's idea of the wall clock may be off, in ns.
const clockSlack = int64(time.Second)

// tellClock adds an EventClock to the step at now, unless the engine knows the wall clock
// already: it may have been set since the start.
func (sh *shard) tellClock(now int64) {
	wall := sh.server.clock().UnixNano()
	if off := wall - now - sh.ahead; sh.told && -clockSlack <= off && off <= clockSlack {
		return
	}
	sh.told, sh.ahead = true, wall-now
	sh.events = append([]wasi.Event{{Kind: wasi.EventClock, Value: uint64(wall)}}, sh.events...)
}
