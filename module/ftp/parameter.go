package ftp

import (
	"bytes"
	"math"

	"wasiftp/wasi"
)

// parameters are what the client has chosen. The zero ones are not those of a new
// session: see reset.
type parameters struct {
	binary    bool // the representation type: image, not ASCII
	deflate   bool // MODE Z
	level     int  // of MODE Z, 0 for the world's own choice
	facts     facts
	utf8      bool           // OPTS UTF8 ON was said
	algorithm wasi.Algorithm // of HASH
	idle      int64          // what SITE IDLE said, 0 for nothing
}

func (p *parameters) reset() { *p = parameters{facts: allFacts} }

// preparation is what a command has named for the one behind it.
type preparation struct {
	from   []byte // what RNFR or SITE CPFR named; empty for nothing
	copies bool   // it was SITE CPFR
	rest   int64  // what REST or RANG said: the first byte that counts
	until  int64  // what RANG said: the first byte that no longer counts; 0 for none
}

func (p *preparation) reset() { *p = preparation{from: p.from[:0]} }

// typeVerb sets the representation type: ASCII non-print or image, which local
// bytes of eight bits are as well (RFC 1123 §4.1.2.1).
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

// pickLevel is OPTS MODE: how hard MODE Z tries (draft-preston-ftpext-deflate
// §3.2). Without a level it is the world's own choice again.
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

// restVerb has the next RETR or STOR begin at an offset. RFC 3659 §5.3 wants it
// right before that; clients put the making of the data connection in between,
// so whatever changes nothing else may stand there. In ASCII it counts the
// file's bytes as well, as SIZE does.
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

// noOffset says that offsets are refused, for under TYPE A they do not count what
// RETR sends.
func (s *session) noOffset() bool { return s.e.config.Behaviour.NoASCIIRest && !s.binary }

// rangVerb has the next RETR, STOR or HASH take a part of the file only, both
// ends included (draft-bryan-ftp-range §3). "RANG 1 0" takes it back.
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

// superfluousVerb: no room needs to be allocated (RFC 959 §4.1.3, ALLO).
func (s *session) superfluousVerb([]byte) error { return replySuperfluous }
