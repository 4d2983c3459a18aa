package host

import (
	"time"

	"wasiftp/wasi"
)

// now is the time for the engine, in ns since 1970. It follows the monotonic
// clock, and so never goes back.
func (s *Server) now() int64 { return s.began.UnixNano() + int64(time.Since(s.began)) }

// clock is the time that people read, which may be set.
func (s *Server) clock() time.Time {
	if s.wall != nil {
		return s.wall()
	}
	return time.Now()
}

// clockSlack is how far from people's clocks the engine may believe them to be, in
// ns.
const clockSlack = int64(time.Second)

// tellClock has the step at now tell the engine where people's clocks are, unless it
// knows: they may have been set since the start.
func (sh *shard) tellClock(now int64) {
	wall := sh.server.clock().UnixNano()
	if off := wall - now - sh.ahead; sh.told && -clockSlack <= off && off <= clockSlack {
		return
	}
	sh.told, sh.ahead = true, wall-now
	sh.events = append([]wasi.Event{{Kind: wasi.EventClock, Value: uint64(wall)}}, sh.events...)
}
