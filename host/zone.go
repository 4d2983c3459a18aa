package host

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"wasiftp/host/internal/wasm"
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

// setStyle keeps how LIST shows the files of the account, if that is said for it alone.
func (l *login) setStyle(account *Account) error {
	if account.ListZone == nil && account.ListOwner == "" && account.ListGroup == "" {
		return nil
	}
	var f faults
	checkWord(&f, "ListOwner", account.ListOwner)
	checkWord(&f, "ListGroup", account.ListGroup)
	all := l.session.config
	style := wasi.Style{
		Owner: cmp.Or(account.ListOwner, all.Behaviour.Owner), Group: cmp.Or(account.ListGroup, all.Behaviour.Group),
		Zone: zoneOf(cmp.Or(account.ListZone, all.ListZone)),
	}
	l.style = style.Append(nil)
	if len(l.style) > wasi.MaxStyle {
		f.add("ListOwner and ListGroup are longer than fits")
	}
	if len(f) > 0 {
		return fmt.Errorf("the account %q: %w", l.name, errors.Join(f...))
	}
	l.able |= wasi.AbleStyle
	return nil
}

// tellStyle is the part of session_names that tells the style of LIST.
func (s *session) tellStyle(a *wasm.Args) wasi.Errno {
	l := s.login.Load()
	if l == nil || l.style == nil || len(l.style) > len(a.Bytes(3)) {
		return wasi.EINVAL
	}
	putUint32(a.Bytes(4), uint32(copy(a.Bytes(3), l.style)))
	return wasi.OK
}
