package ftp

import "slices"

// halfYear is the age up to which a file's line shows the hour and not the year, as with
// ls: half of a Gregorian year of 365.2425 days.
const halfYear = 15778476 * second

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// appendLong appends the columns that ls -l writes before a file's name. Clients split
// them at the spaces, so owner and group are one word each. The name that follows keeps
// its spaces, leading ones too.
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

// longStyle is the part of long lines that the configuration sets.
type longStyle struct {
	owners string // the columns of owner and group
	zone   []ZoneChange
}

// ahead is how far clocks are ahead of UTC at a time, both in ns.
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

// ownerColumns are the columns of owner and group; "" is ftp.
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

var typeLetters = [...]byte{Regular: '-', Dir: 'd', Link: 'l', Other: 'p'}

// permissions are the letters of three permission bits, those of the owner, of the group
// or of others.
var permissions = [...]string{"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"}

// appendMode appends type and permission bits as ls -l writes them.
func appendMode(b []byte, t FileType, mode uint32) []byte {
	b = append(b, typeLetters[min(t, Other)])
	for shift := 6; shift >= 0; shift -= 3 {
		b = append(b, permissions[mode>>shift&7]...)
	}
	// Set-user-ID, set-group-ID and sticky take the place of an x, as capitals where it is
	// not set.
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

// appendLsTime appends the time ns as "Jan  2 15:04" if it lies in the half year before
// now, and as "Jan  2  2006" else. ahead is how far the clocks of LIST are ahead of UTC.
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
