package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wasiftp/host"
)

// admission says from where, when and how a user may log in. Its zero value refuses nobody.
// Sessions that are there when the time is over go on.
type admission struct {
	networks      []netip.Prefix // none is everywhere
	tls           bool           // the control connection must be under TLS
	after, before time.Time      // zero is always
	weekdays      []time.Weekday // none is each
	hours         []span         // none is all
	zone          *time.Location // of weekdays, hours, and dates without one; nil is this machine's
}

// span is a part of each day, in minutes from midnight: from its begin to just before its
// end. One whose end is not after its begin goes on past midnight.
type span struct{ begin, end int }

func (s span) has(minute int) bool {
	if s.begin < s.end {
		return minute >= s.begin && minute < s.end
	}
	return minute >= s.begin || minute < s.end
}

func (s span) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.begin/60, s.begin%60, s.end/60, s.end%60)
}

// refusal is why a user whose password was right may not log in. It is [host.ErrDenied].
type refusal struct{ reason string }

func (r *refusal) Error() string { return "the login is refused: " + r.reason }
func (r *refusal) Unwrap() error { return host.ErrDenied }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

const lockedReason = "the account is locked"

// refusal is why a user whose password was right may not log in all the same, nil if he
// may. shown is the common name of the client's certificate.
func (e *entry) refusal(login host.Login, shown string) error {
	switch {
	case e.closed():
		return refuse(lockedReason)
	case e.certificate != "" && shown != e.certificate:
		return refuse("the client certificate is that of %q and not of %q", shown, e.certificate)
	}
	return e.admission.refusal(login, time.Now())
}

func (a *admission) refusal(login host.Login, now time.Time) error {
	now = now.In(a.location())
	from := login.Client.Addr().Unmap().WithZone("")
	switch {
	case a.tls && login.TLS == nil:
		return refuse("the user must log in under TLS")
	case len(a.networks) > 0 && !slices.ContainsFunc(a.networks, func(n netip.Prefix) bool { return n.Contains(from) }):
		return refuse("%v is in none of the user's networks", from)
	case !a.after.IsZero() && now.Before(a.after):
		return refuse("the account is valid from %s on", a.after.Format(time.RFC3339))
	case !a.before.IsZero() && !now.Before(a.before):
		return refuse("the account was valid until %s", a.before.Format(time.RFC3339))
	case len(a.weekdays) > 0 && !slices.Contains(a.weekdays, now.Weekday()):
		return refuse("%v is none of the user's days", now.Weekday())
	case len(a.hours) > 0 && !slices.ContainsFunc(a.hours, func(s span) bool { return s.has(now.Hour()*60 + now.Minute()) }):
		return refuse("%s is in none of the user's hours", now.Format("15:04"))
	}
	return nil
}

func (a *admission) location() *time.Location {
	if a.zone == nil {
		return time.Local
	}
	return a.zone
}

// weekdayNames are the names of the days in the file, in the order of a week.
var weekdayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// parseWeekdays reads a day, or days such as mon-fri or sat-mon.
func parseWeekdays(text string) (days []time.Weekday, err error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	from, to := slices.Index(weekdayNames, first), slices.Index(weekdayNames, last)
	if from < 0 || to < 0 {
		return nil, fmt.Errorf("%q is no day or days such as mon or mon-fri; write %s", text, strings.Join(weekdayNames, ", "))
	}
	for at := from; ; at = (at + 1) % 7 {
		days = append(days, time.Weekday((at+1)%7)) // Go's weeks begin on Sunday
		if at == to {
			return days, nil
		}
	}
}

// parseSpan reads hours such as 08:00-17:30. 24:00 is the end of the day.
func parseSpan(text string) (span, error) {
	begin, end, _ := strings.Cut(text, "-")
	from, errFrom := minuteOf(begin)
	to, errTo := minuteOf(end)
	if errFrom != nil || errTo != nil || from == to || from == dayMinutes {
		return span{}, fmt.Errorf("%q are no hours such as 08:00-17:30 or 22:00-06:00", text)
	}
	return span{from, to}, nil
}

const dayMinutes = 24 * 60

func minuteOf(text string) (int, error) {
	if text == "24:00" {
		return dayMinutes, nil
	}
	at, err := time.Parse("15:04", text)
	if len(text) != len("15:04") {
		err = errors.New("it is not HH:MM")
	}
	return at.Hour()*60 + at.Minute(), err
}

// parseMoment reads a date, or a date with a time, in a zone unless it says one. A day that
// ends something ends at its last moment.
func parseMoment(text string, zone *time.Location, ends bool) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		if ends {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		as := strings.Replace(strings.ToUpper(text), " ", "T", 1) // TOML takes a blank or t
		if at, err := time.ParseInLocation(layout, as, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date such as 2026-12-31, nor one with a time such as 2026-12-31T18:00:00", text)
}
