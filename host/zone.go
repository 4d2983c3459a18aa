package host

import (
	"time"

	"wasiftp/wasi"
)

// futureYears is how far a zone's rules are told in advance: the life of a server.
const futureYears = 20

// zoneOf is a time zone from 1970 on, for the engine; nil is UTC.
func zoneOf(zone *time.Location, now time.Time) (z wasi.Zone) {
	if zone == nil {
		return ""
	}
	at, end := time.Unix(0, 0).In(zone), now.AddDate(futureYears, 0, 0)
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
