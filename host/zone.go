package host

import (
	"math"
	"time"

	"wasiftp/wasi"
)

// zoneOf is a time zone from 1970 on, for the engine; nil is UTC. It goes as far as
// times of files do: a clock that is wrong now must not decide where it ends.
func zoneOf(zone *time.Location) (z wasi.Zone) {
	if zone == nil {
		return ""
	}
	at, end := time.Unix(0, 0).In(zone), time.Unix(0, math.MaxInt64)
	for at.Before(end) {
		_, ahead := at.Zone()
		z = z.Then(at.Unix(), int32(ahead))
		_, next := at.ZoneBounds()
		if next.IsZero() {
			break
		}
		if !next.After(at) { // so it is at the end of some leap years, up to Go 1.26 at least
			next = at.AddDate(0, 0, 1)
		}
		at = next
	}
	return z
}
