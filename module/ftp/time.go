package ftp

import "bytes"

// The calendar, written by hand: the time package would make the guest import more
// WASI functions than the runtime's own few. Times are UTC, in ns since 1970; an int64
// reaches from 1677 to 2262.

const day = 86400 // seconds

// civil is a moment of the proleptic Gregorian calendar.
type civil struct {
	year                             int64
	month, day, hour, minute, second int
	milli                            int
}

// civilTime is the date and the time of day.
func civilTime(ns int64) civil {
	seconds := floorDiv(ns, second)
	days := floorDiv(seconds, day)
	clock := int(seconds - days*day)
	c := civil{hour: clock / 3600, minute: clock / 60 % 60, second: clock % 60, milli: int((ns - seconds*second) / 1_000_000)}
	c.year, c.month, c.day = civilDate(days)
	return c
}

// civilDate is the date of a day, counted from 1970-01-01. The year is taken to
// begin in March, so that the leap day is its last; 719468 days lie between
// 0000-03-01 and 1970-01-01, and 146097 make an era of 400 years.
func civilDate(days int64) (year int64, month, dayOfMonth int) {
	days += 719468
	era := floorDiv(days, 146097)
	inEra := days - era*146097
	yearOfEra := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*inYear + 2) / 153
	dayOfMonth = int(inYear-(153*m+2)/5) + 1
	month = int(m) + 3
	year = yearOfEra + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, dayOfMonth
}

// daysTo is the reverse of civilDate. Month 13 is January of the next year.
func daysTo(year int64, month, dayOfMonth int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	inYear := int64((153*(month-3)+2)/5 + dayOfMonth - 1)
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + inYear - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func daysIn(year int64, month int) int {
	return int(daysTo(year, month+1, 1) - daysTo(year, month, 1))
}

// appendTime appends a time as RFC 3659 §2.3 writes it: YYYYMMDDHHMMSS, and the
// thousandths if there are any.
func appendTime(b []byte, ns int64) []byte {
	c := civilTime(ns)
	b = appendPadded(b, uint64(max(c.year, 0)), "0000")
	for _, n := range [...]int{c.month, c.day, c.hour, c.minute, c.second} {
		b = appendPadded(b, uint64(n), "00")
	}
	if c.milli > 0 {
		b = appendPadded(append(b, '.'), uint64(c.milli), "000")
	}
	return b
}

// parseTime reads a time as RFC 3659 §2.3 writes it; with short, it may lack the seconds
// (SITE UTIME). The leap second 60 counts as the second behind it. It reports false for
// anything that is no such time or does not fit into the result.
func parseTime(b []byte, short bool) (ns int64, ok bool) {
	digits, fraction, point := bytes.Cut(b, []byte{'.'})
	if len(digits) != 14 && !(short && len(digits) == 12) || point && len(fraction) == 0 {
		return 0, false
	}
	n, ok := parseDigits(digits)
	if len(digits) == 12 {
		n *= 100
	}
	part := func(unit int64) int { return int(n / unit % 100) }
	year, month, date := n/1e10, part(1e8), part(1e6)
	hour, minute, sec := part(1e4), part(100), part(1)
	if !ok || year < 1678 || year > 2261 || month < 1 || month > 12 || date < 1 || date > daysIn(year, month) ||
		hour > 23 || minute > 59 || sec > 60 {
		return 0, false
	}
	ns, ok = parseFraction(fraction)
	seconds := daysTo(year, month, date)*day + int64(hour*3600+minute*60+sec)
	return seconds*second + ns, ok
}

// parseFraction reads the digits behind the point of the seconds. The result is in ns.
func parseFraction(b []byte) (ns int64, ok bool) {
	unit := int64(second)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		unit /= 10
		ns += int64(c-'0') * unit
	}
	return ns, true
}
