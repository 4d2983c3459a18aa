package ftp

import (
	"bytes"
	"encoding/binary"
)

// The calendar, written by hand: the time package would make the guest import more
// WASI functions than the runtime's own few. Times are UTC, in ns since 1970; an int64
// reaches from 1677 to 2262.

const day = 86400 // seconds

// civil is a moment of the proleptic Gregorian calendar.
type civil struct {
	year, month, day, hour, minute, second, milli uint32
}

// civilTime is the date and the time of day.
func civilTime(ns int64) civil {
	since := uint64(ns>>9+epoch*day*(second>>9)) / (second >> 9) // seconds since 0000-03-01; second is 1953125 * 2^9
	days := uint32(since>>7) / (day >> 7)                        // day is 675 * 2^7
	clock := uint32(since - uint64(days)*day)
	minutes := clock / 60
	hour := minutes / 60
	// The year is taken to begin in March, so that the leap day is its last. The method is
	// that of Neri and Schneider ("Euclidean affine functions and their application to
	// calendar algorithms", 2022), whose divisions are multiplications.
	n := 4*days + 3
	century := n / 146097
	product := uint64((n-century*146097)|3) * 2939745
	inYear := uint32(product) / 2939745 / 4
	n = 2141*inYear + 197913
	c := civil{
		year: 100*century + uint32(product>>32), month: n >> 16, day: n&0xffff/2141 + 1,
		hour: hour, minute: minutes - hour*60, second: clock - minutes*60,
		milli: uint32(ns-(int64(since)-epoch*day)*second) / 1_000_000,
	}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// epoch is how many days lie between 0000-03-01 and 1970-01-01.
const epoch = 719468

// daysTo is how many days after 1970-01-01 a date is. Month 13 is January of the next year.
func daysTo(year int64, month, dayOfMonth int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	inYear := int64((153*(month-3)+2)/5 + dayOfMonth - 1)
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + inYear - epoch
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
	b = room(b, 16)
	p := (*[16]byte)(b[len(b) : len(b)+16])
	binary.LittleEndian.PutUint64(p[:], zeros|eightDigits(c.year*1e4+c.month*100+c.day))
	binary.LittleEndian.PutUint64(p[8:], (zeros|eightDigits(c.hour*1e4+c.minute*100+c.second))>>16)
	b = b[:len(b)+14]
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
