package ftp

import (
	"encoding/binary"
	"slices"

	"wasiftp/wasi"
)

// halfYear is the age up to which a file's line shows the hour and not the year, as with
// ls: half of a Gregorian year of 365.2425 days.
const halfYear = 15778476 * second

// months are the names of the months and a space, the first letter in the lowest byte.
var months = func() (words [16]uint32) {
	const names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "
	for i := range len(names) / 4 {
		words[i+1] = binary.LittleEndian.Uint32([]byte(names[4*i:]))
	}
	return words
}()

// appendLong appends the columns that ls -l writes before a file's name. Clients split
// them at the spaces, so owner and group are one word each. The name that follows keeps
// its spaces, leading ones too.
func appendLong(b []byte, info *FileInfo, style *longStyle, now int64) []byte {
	b = append(b, style.begin(info)...)
	if info.Size >= 1e8 {
		b = appendUint(b, info.Size)
	} else {
		digits := eightDigits(uint32(info.Size))
		space := uint64(1)<<leadingZeros(digits) - 1
		b = binary.LittleEndian.AppendUint64(b, digits|zeros&^space|blanks&space)
	}
	ahead := int64(0)
	if len(style.zone) > 0 {
		ahead = style.ahead(info.ModTime)
	}
	return append(appendLsTime(append(b, ' '), info.ModTime, ahead, now), ' ')
}

// appendTarget appends what ls -l writes behind the name of a link.
func appendTarget(b []byte, entry *Entry) []byte {
	if len(entry.Target) > 0 {
		b = appendPlain(append(b, " -> "...), entry.Target)
	}
	return b
}

// longStyle is the part of long lines that the configuration or the account sets. It keeps
// what it last made, because the files in a folder are much alike.
type longStyle struct {
	owners string // the columns of owner and group
	zone   []ZoneChange

	begins [Other + 1]lineBegin // by the file's type
	change int                  // the part of zone in which the last time lay
}

// lineBegin has the columns in front of a file's size.
type lineBegin struct {
	mode, links uint32
	columns     []byte // empty before the first file
}

func (s *longStyle) set(style Style) {
	*s = longStyle{owners: ownerColumns(style.Owner, style.Group), zone: style.Zone}
}

// longStyle is the style of the session's long lines. That of an account is asked for once
// a login.
func (s *session) longStyle() *longStyle {
	e := s.e
	if s.style == nil {
		s.style = &e.style
		if e.styler != nil && s.able&wasi.AbleStyle != 0 {
			if own, err := e.styler.Style(s.handle); err == nil {
				own.Zone = e.shared(own.Zone)
				s.style = new(longStyle)
				s.style.set(own)
			}
		}
	}
	return s.style
}

// maxZones bounds the zones that are kept for accounts to share.
const maxZones = 64

// shared is a zone that is kept, in place of an equal one: each takes some kilobytes.
func (e *Engine) shared(zone []ZoneChange) []ZoneChange {
	for _, kept := range e.zones {
		if slices.Equal(kept, zone) {
			return kept
		}
	}
	if len(e.zones) < maxZones {
		e.zones = append(e.zones, zone)
	}
	return zone
}

// begin has the columns in front of a file's size.
func (s *longStyle) begin(info *FileInfo) []byte {
	l := &s.begins[min(info.Type, Other)]
	if l.mode != info.Mode || l.links != info.Links || len(l.columns) == 0 {
		b := append(appendMode(l.columns[:0], info.Type, info.Mode), ' ')
		b = appendPadded(b, uint64(max(info.Links, 1)), "    ")
		*l = lineBegin{info.Mode, info.Links, append(b, s.owners...)}
	}
	return l.columns
}

// ahead is how far clocks are ahead of UTC at a time, both in ns. There must be a zone.
func (s *longStyle) ahead(ns int64) int64 {
	zone := s.zone
	if i := s.change; zone[i].Since > ns || i+1 < len(zone) && zone[i+1].Since <= ns {
		s.change = s.find(ns)
	}
	return zone[s.change].Ahead
}

// find is the part of the zone that a time is in.
func (s *longStyle) find(ns int64) int {
	n, _ := slices.BinarySearchFunc(s.zone, ns, func(c ZoneChange, ns int64) int {
		if c.Since <= ns {
			return -1
		}
		return 1
	})
	return max(n-1, 0)
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
	date := uint64(months[c.month&15]) | uint64(twoDigits(c.day))<<32 | ' '<<48
	if c.day < 10 {
		date ^= ('0' ^ ' ') << 32
	}
	b = room(b, 12)
	p := (*[12]byte)(b[len(b) : len(b)+12])
	if uint64(now-ns) > halfYear { // or now is before it
		binary.LittleEndian.PutUint64(p[:], date|' '<<56)
		binary.LittleEndian.PutUint32(p[8:], twoDigits(c.year/100)|twoDigits(c.year%100)<<16)
	} else {
		hour := uint64(twoDigits(c.hour))
		binary.LittleEndian.PutUint64(p[:], date|hour<<56)
		binary.LittleEndian.PutUint32(p[8:], uint32(hour>>8)|':'<<8|twoDigits(c.minute)<<16)
	}
	return b[:len(b)+12]
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
