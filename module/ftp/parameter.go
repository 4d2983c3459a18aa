package ftp

import (
	"bytes"
	"math"

	"wasiftp/wasi"
)

// parameters are the client's choices. Those of a new session come from reset, and
// are not the zero value.
type parameters struct {
	binary    bool // the representation type: image, not ASCII
	deflate   bool // MODE Z
	level     int  // of MODE Z, 1 to 9; 0 is the world's choice
	facts     facts
	utf8      bool           // OPTS UTF8 ON was said
	algorithm wasi.Algorithm // of HASH
	idle      int64          // ns of SITE IDLE; 0 if it was not said
}

func (p *parameters) reset() { *p = parameters{facts: allFacts} }

// preparation is what a command has set for the next one.
type preparation struct {
	from   []byte // the name of RNFR or SITE CPFR; empty if none
	copies bool   // from is SITE CPFR's
	rest   int64  // offset of the first byte to transfer, by REST or RANG
	until  int64  // offset behind the last one, by RANG; 0 is the end of the file
}

func (p *preparation) reset() {
	from := p.from[:0]
	if cap(from) > mostKept {
		from = nil
	}
	*p = preparation{from: from}
}

// typeVerb sets the representation type: ASCII non-print or image. Local bytes of
// eight bits are image, too (RFC 1123 §4.1.2.1).
func (s *session) typeVerb(arg []byte) error {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case isWord(arg, "A"), isWord(arg, "A N"):
		s.binary = false
		return replyTypeASCII
	case isWord(arg, "I"), isWord(arg, "L 8"), isWord(arg, "L8"):
		s.binary = true
		return replyTypeImage
	case bytes.Count(arg, []byte{' '}) > 1:
		return replyBadArgument
	}
	return replyBadParameter
}

func (s *session) struVerb(arg []byte) error {
	if isWord(bytes.TrimRight(arg, " "), "F") {
		return replyStructureFile
	}
	return replyBadParameter
}

func (s *session) modeVerb(arg []byte) error {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case isWord(arg, "S"):
		s.deflate = false
		return replyModeStream
	case isWord(arg, "Z") && s.e.has&NeedDeflate != 0:
		s.deflate = true
		return replyModeDeflate
	}
	return replyBadParameter
}

// pickLevel obeys OPTS MODE Z LEVEL: how hard the compression tries
// (draft-preston-ftpext-deflate §3.2). Without LEVEL the world chooses again.
func (s *session) pickLevel(arg []byte) error {
	words := bytes.Fields(arg)
	switch {
	case len(words) == 1 && isWord(words[0], "Z"):
		s.level = 0
		return replyLevelReset
	case len(words) != 3 || !isWord(words[0], "Z") || !isWord(words[1], "LEVEL"):
		return replyNoOptions
	}
	level, ok := parseNumber(words[2], 9)
	if !ok || level == 0 {
		return replyNoOptions
	}
	s.level = int(level)
	s.sendLine(appendInt(append(s.e.scratch[:0], "200 MODE Z LEVEL is "...), level))
	return nil
}

// restVerb sets the offset at which the next RETR or STOR begins. RFC 3659 §5.3 wants
// REST right before it, but clients open the data connection in between, so any
// Neutral verb may come there. In ASCII, too, the offset counts the file's bytes, as
// SIZE does.
func (s *session) restVerb(arg []byte) error {
	offset, ok := parseOffset(arg)
	if !ok {
		return replyBadArgument
	}
	if offset > 0 && s.noOffset() {
		return replyNoASCIIRest
	}
	s.rest, s.until = offset, 0
	b := append(s.e.scratch[:0], "350 Restarting at "...)
	s.sendLine(append(appendInt(b, offset), '.'))
	return nil
}

// noOffset reports whether offsets are refused: under TYPE A they do not count the
// bytes that RETR sends.
func (s *session) noOffset() bool { return s.e.config.Behaviour.NoASCIIRest && !s.binary }

// rangVerb limits the next RETR, STOR or HASH to the bytes from first to last, both
// included (draft-bryan-ftp-range §3). "RANG 1 0" lifts the limit.
func (s *session) rangVerb(arg []byte) error {
	if string(arg) == "1 0" {
		s.rest, s.until = 0, 0
		return replyWholeFile
	}
	first, last, _ := bytes.Cut(arg, []byte{' '})
	start, ok1 := parseOffset(first)
	end, ok2 := parseOffset(last)
	if !ok1 || !ok2 || start > end {
		return replyBadArgument
	}
	s.rest, s.until = start, min(end, math.MaxInt64-1)+1
	b := appendInt(append(s.e.scratch[:0], "350 Restarting at "...), start)
	s.sendLine(append(appendInt(append(b, ". End byte range at "...), end), '.'))
	return nil
}

// alloVerb is ALLO (RFC 959 §4.1.3). The storage need not be told of a file's size, but a client
// that asks hears before the upload that there is not so much room.
func (s *session) alloVerb(arg []byte) error {
	word, _, _ := bytes.Cut(arg, []byte{' '})
	size, ok := parseOffset(word)
	if !ok || s.e.spacer == nil || s.rights&wasi.RightWrite == 0 || s.able&wasi.AbleSpace == 0 {
		return replySuperfluous
	}
	name, err := s.resolve(nil)
	if err != nil {
		return err
	}
	room, err := s.e.spacer.Space(s.handle, name)
	switch {
	case err == ErrAgain:
		return err
	case err == nil && uint64(size) > room:
		return replyQuota
	}
	return replySuperfluous
}
