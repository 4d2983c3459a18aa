package ftp

import "slices"

// halfYear is how old a file may be for its line to show the hour, not the
// year, as ls does: half of a Gregorian year of 365.2425 days.
const halfYear = 15778476 * second

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// appendLong appends what ls -l writes before a file's name. Clients take it
// apart by columns of words, so owner and group are always one word each. Names
// keep their spaces, leading ones too.
func appendLong(b []byte, info *FileInfo, style *longStyle, now int64) []byte {
	b = appendMode(b, info.Type, info.Mode)
	b = appendPadded(append(b, ' '), uint64(max(info.Links, 1)), "    ")
	b = append(b, style.owners...)
	b = appendPadded(b, info.Size, "        ")
	return append(appendLsTime(append(b, ' '), info.ModTime, style.ahead(info.ModTime), now), ' ')
}

// appendTarget appends what ls -l writes behind the name of a link.
func appendTarget(b []byte, entry *Entry) []byte {
	if entry.Type == Link && len(entry.Target) > 0 {
		b = appendPlain(append(b, " -> "...), entry.Target)
	}
	return b
}

// longStyle is how an engine writes long lines.
type longStyle struct {
	owners string // columns
	zone   []ZoneChange
}

// ahead is how far clocks are ahead of UTC at a time.
func (s *longStyle) ahead(ns int64) int64 {
	zone := s.zone
	if len(zone) == 0 {
		return 0
	}
	n, _ := slices.BinarySearchFunc(zone, ns, func(c ZoneChange, ns int64) int {
		if c.Since <= ns {
			return -1
		}
		return 1
	})
	return zone[max(n-1, 0)].Ahead
}

// ownerColumns are the columns of LIST that say whom a file belongs to.
func ownerColumns(owner, group string) string {
	b := []byte{' '}
	for _, name := range [...]string{owner, group} {
		if name == "" {
			name = "ftp"
		}
		end := len(b) + 9
		for b = appendPlain(b, []byte(name)); len(b) < end-1; {
			b = append(b, ' ')
		}
		b = append(b, ' ')
	}
	return string(b)
}

// permissions are those of the owner, of the group or of others, as ls writes them.
var permissions = [...]string{"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"}

func appendMode(b []byte, t FileType, mode uint32) []byte {
	switch t {
	case Dir:
		b = append(b, 'd')
	case Link:
		b = append(b, 'l')
	case Regular:
		b = append(b, '-')
	default:
		b = append(b, 'p')
	}
	for shift := 6; shift >= 0; shift -= 3 {
		b = append(b, permissions[mode>>shift&7]...)
	}
	if mode&0o7000 == 0 {
		return b
	}
	// What ls puts in the place of x: a capital where x is not set.
	for i := range 3 {
		if x := &b[len(b)-7+3*i]; mode&(0o4000>>i) != 0 {
			if *x == 'x' {
				*x = "sst"[i]
			} else {
				*x = "SST"[i]
			}
		}
	}
	return b
}

// appendLsTime appends "Jan  2 15:04" for a file of the last half year, and
// "Jan  2  2006" for an older one or one of the future, by a clock that is ahead
// of UTC.
func appendLsTime(b []byte, ns, ahead, now int64) []byte {
	c := civilTime(ns + ahead)
	b = append(append(b, months[c.month-1]...), ' ')
	b = append(appendPadded(b, uint64(c.day), "  "), ' ')
	if ns > now || now-ns > halfYear || now-ns < 0 {
		return appendPadded(b, uint64(max(c.year, 0)), "     ")
	}
	b = append(appendPadded(b, uint64(c.hour), "00"), ':')
	return appendPadded(b, uint64(c.minute), "00")
}

// appendClass appends what ls -F puts behind a name.
func appendClass(b []byte, entry *Entry) []byte {
	switch {
	case entry.Type == Dir:
		return append(b, '/')
	case entry.Type == Other:
		return append(b, '|')
	case entry.Type == Regular && entry.Mode&0o111 != 0:
		return append(b, '*')
	}
	return b
}
