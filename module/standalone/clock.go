package standalone

import (
	"time"

	"wasiftp/module/ftp"
)

// now begins as the time of day and then follows the monotonic clock.
func (w *world) now() int64 { return w.began.UnixNano() + int64(time.Since(w.began)) }

// clockSlack is how far from people's clocks the engine may believe them to be, in
// ns.
const clockSlack = int64(time.Second)

// tellClock has the step at now tell the engine where people's clocks are, unless it
// knows: they may have been set since the start.
func (w *world) tellClock(now int64) {
	wall := w.wall().UnixNano()
	if off := wall - now - w.ahead; w.told && -clockSlack <= off && off <= clockSlack {
		return
	}
	w.told, w.ahead = true, wall-now
	w.events = append(w.events, ftp.Event{Kind: ftp.EventClock, Time: wall})
}
