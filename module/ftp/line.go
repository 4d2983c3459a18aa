package ftp

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	// Most commands fit into a buffer of this size.
	shortLine = 512

	// What a line end may take beyond the longest line: CR CR LF.
	lineEndRoom = 3

	// Line buffers of each size that the engine keeps for the next lines.
	spareLines = 16
)

// Bytes of the Telnet protocol (RFC 854).
const (
	telnetIAC  = 0xff
	telnetWill = 0xfb // WILL, WON'T, DO and DON'T are followed by an option
	telnetMin  = 0xf0 // no byte below is a Telnet command
)

// telnetState is what the next byte of a control connection means.
type telnetState uint8

const (
	telnetData   telnetState = iota
	telnetReturn             // after CR
	telnetEscape             // after IAC
	telnetOption             // after IAC and WILL, WON'T, DO or DON'T
)

// lines is what a client has sent on its control connection and the engine has
// not yet acted on: a Telnet stream (RFC 959 §4) cut into lines.
type lines struct {
	buf     []byte // decoded bytes; borrowed from the engine while there are any, else nil
	scanned int    // bytes at the start of buf without a line end
	telnet  telnetState
	skip    bool // the line being read was too long: drop the rest of it
}

// decode takes the Telnet commands out of buf[from:], the bytes of one read. IAC IAC is
// the byte 0xFF, CR NUL is CR (RFC 854). IAC before a byte that is no command stays: some
// clients forget to double 0xFF.
func (l *lines) decode(from int) {
	if l.telnet == telnetData && l.plain(from) {
		if l.buf[len(l.buf)-1] == '\r' {
			l.telnet = telnetReturn
		}
		return
	}
	if l.telnet == telnetEscape && len(l.buf) > from && l.buf[from] < telnetMin {
		// The IAC came with an earlier read: its byte has no place in buf yet.
		l.telnet = telnetData
		l.buf = slices.Insert(l.buf, from, telnetIAC)
		from++
	}
	out := l.buf[:from]
	for _, c := range l.buf[from:] {
		switch l.telnet {
		case telnetOption:
			l.telnet = telnetData
			continue
		case telnetEscape:
			l.telnet = telnetData
			if c >= telnetMin && c < telnetIAC {
				if c >= telnetWill {
					l.telnet = telnetOption
				}
				continue
			}
			out = append(out, telnetIAC)
			if c == telnetIAC {
				continue
			}
		case telnetReturn:
			l.telnet = telnetData
			if c == 0 {
				continue
			}
		}
		switch c {
		case telnetIAC:
			l.telnet = telnetEscape
			continue
		case '\r':
			l.telnet = telnetReturn
		}
		out = append(out, c)
	}
	l.buf = out
}

// plain reports whether decode has nothing to take out of buf[from:], as nearly always. It
// looks at eight bytes at a time, and may be wrong only where it reports false.
func (l *lines) plain(from int) bool {
	all := l.buf[:cap(l.buf)]
	for left := len(l.buf) - from; left > 0; left -= 8 {
		if from+8 > len(all) {
			return false
		}
		word := binary.LittleEndian.Uint64(all[from:])
		if left < 8 {
			rest := ^uint64(0) << (8 * left) // bytes behind the last one
			word = word&^rest | blanks&rest
		}
		if ((word-lows)&^word|(^word-lows)&word)&highs != 0 { // NUL, or IAC
			return false
		}
		from += 8
	}
	return true
}

// next finds the end of the first whole line behind the first held bytes of the
// buffer; the line is buf[held:end], its end included.
func (l *lines) next(held int) (end int, ok bool) {
	from := max(held, l.scanned)
	if from == len(l.buf) {
		return 0, false
	}
	i := bytes.IndexByte(l.buf[from:], '\n')
	if i < 0 {
		l.scanned = len(l.buf)
		return 0, false
	}
	l.scanned = from
	return from + i + 1, true
}

// cut takes the bytes from:to out of the buffer.
func (s *session) cut(from, to int) {
	l := &s.lines
	end := from
	if to < len(l.buf) {
		end += copy(l.buf[from:], l.buf[to:])
	}
	l.buf = l.buf[:end]
	l.scanned = min(l.scanned, from)
	s.e.shrink(l)
}

// room makes sure that more can be read, and reports false when the longest
// line fills the buffer already. One byte always stays free for decode.
func (e *Engine) room(l *lines) bool {
	switch size := e.config.LineLength + lineEndRoom + 1; {
	case len(l.buf)+1 < cap(l.buf):
	case cap(l.buf) == 0:
		l.buf = e.shortLines.take(shortLine)
	case cap(l.buf) >= size:
		return false
	default:
		short := l.buf
		l.buf = append(e.longLines.take(size), short...)
		e.shortLines.give(short)
	}
	return true
}

// shrink gives the buffer back once it is empty.
func (e *Engine) shrink(l *lines) {
	switch {
	case len(l.buf) > 0:
	case cap(l.buf) > shortLine:
		e.longLines.give(l.buf)
		l.buf = nil
	case cap(l.buf) > 0:
		e.shortLines.give(l.buf)
		l.buf = nil
	}
}

// buffers are line buffers of one size that no session needs.
type buffers [][]byte

func (b *buffers) take(size int) []byte {
	n := len(*b) - 1
	if n < 0 {
		return make([]byte, 0, size)
	}
	buf := (*b)[n]
	*b = (*b)[:n]
	return buf
}

func (b *buffers) give(buf []byte) {
	if len(*b) < spareLines {
		*b = append(*b, buf[:0])
	}
}

// read reads and decodes what the client has sent. It reports false when there was
// nothing, when the buffer is full, or when the connection is gone.
func (s *session) read() bool {
	l := &s.lines
	if !s.readable || !s.e.room(l) {
		return false
	}
	at := len(l.buf)
	room := l.buf[at : cap(l.buf)-1]
	n, err := s.e.world.Read(s.handle, room)
	if err == nil && n > 0 {
		// During a transfer the end of the connection must be seen in time (see transferred).
		if n < len(room) && s.e.config.ShortReads && s.transfer.state == transferIdle {
			s.readable = false
		}
		l.buf = l.buf[:at+n]
		s.e.spent += n
		l.decode(at)
		return true
	}
	s.e.shrink(l)
	s.readable = false
	switch {
	case err == nil:
		if s.transfer.state == transferIdle || !s.quits() {
			s.phase = phaseLost
		}
	case err != ErrAgain:
		s.phase = phaseLost
	}
	return false
}

// trimLine cuts off a line's end. Any number of CR before the LF goes: some clients send
// CR CR LF.
func trimLine(line []byte) []byte {
	end := len(line)
	if end > 0 && line[end-1] == '\n' {
		end--
	}
	for end > 0 && line[end-1] == '\r' {
		end--
	}
	return line[:end]
}
