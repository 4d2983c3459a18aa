package standalone

import (
	"time"

	"wasiftp/module/ftp"
)

// now is the engine's time in ns since 1970: that of the wall clock at the start, and from
// then on by the monotonic clock.
func (w *world) now() int64 { return w.began.UnixNano() + int64(time.Since(w.began)) }

// clockSlack is by how many ns the engine's idea of the wall clock may be wrong.
const clockSlack = int64(time.Second)

// tellClock posts EventClock for the step at now if the wall clock has been set since the
// last one, or if there was none yet.
func (w *world) tellClock(now int64) {
	wall := w.wall().UnixNano()
	if off := wall - now - w.ahead; w.told && -clockSlack <= off && off <= clockSlack {
		return
	}
	w.told, w.ahead = true, wall-now
	w.events = append(w.events, ftp.Event{Kind: ftp.EventClock, Time: wall})
}
