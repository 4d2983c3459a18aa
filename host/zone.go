package host

import (
	"math"
	"time"

	"wasiftp/wasi"
)

// zoneOf is a time zone for the engine, from 1970 to the last time that a file can have,
// whatever the clock says now; nil is UTC.
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
		if !next.After(at) { // wrong at the end of some leap years, up to Go 1.26 at least
			next = at.AddDate(0, 0, 1)
		}
		at = next
	}
	return z
}
