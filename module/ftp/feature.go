package ftp

import (
	"bytes"
	"slices"

	"wasiftp/wasi"
)

// featVerb lists the features beyond RFC 959 (RFC 2389 §3) that the account can use: one
// on a line, behind one space.
func (s *session) featVerb([]byte) error {
	b := append(s.e.scratch[:0], "211-Features:\r\n"...)
	for i := range s.e.verbs {
		v := &s.e.verbs[i]
		if v.Feature == "" || !s.serves(v) {
			continue
		}
		b = append(append(b, ' '), v.Feature...)
		if v.details != nil {
			b = v.details(s, append(b, ' '))
		}
		b = append(b, "\r\n"...)
	}
	s.sendLine(append(b, "211 End."...))
	return nil
}

// appendFactList appends all facts, the chosen ones marked with "*"
// (RFC 3659 §7.8).
func (s *session) appendFactList(b []byte) []byte {
	for i, name := range factNames {
		if !s.knows(1 << i) {
			continue
		}
		b = append(b, name...)
		if s.facts&(1<<i) != 0 {
			b = append(b, '*')
		}
		b = append(b, ';')
	}
	return b
}

// knows reports whether files have a fact. Few have a creation time, and before the login
// nobody knows whether the account's have one.
func (s *session) knows(fact facts) bool {
	return fact != factCreate || s.login == loginDone && s.able&wasi.AbleCreated != 0
}

// picked are the facts that the client has chosen and that files have.
func (s *session) picked() facts {
	if s.knows(factCreate) {
		return s.facts
	}
	return s.facts &^ factCreate
}

// appendChangeable appends the facts that MFF can set.
func (s *session) appendChangeable(b []byte) []byte {
	if s.able&wasi.AbleTimes != 0 {
		b = append(b, "Modify;"...)
	}
	if s.able&wasi.AbleModes != 0 {
		b = append(b, "UNIX.mode;"...)
	}
	return b
}

// optsVerb sets an option of another command (RFC 2389 §4).
func (s *session) optsVerb(arg []byte) error {
	word, value, _ := bytes.Cut(arg, []byte{' '})
	switch {
	case isWord(word, "UTF8"), isWord(word, "UTF-8"):
		return s.pickUTF8(bytes.TrimSpace(value))
	case isWord(word, "MLST"):
		s.pickFacts(value)
		return nil
	case isWord(word, "HASH") && s.e.has&NeedHash != 0:
		return s.pickAlgorithm(value)
	case isWord(word, "MODE") && s.e.has&NeedDeflate != 0:
		return s.pickLevel(value)
	}
	return replyNoOptions
}

// pickUTF8 is OPTS UTF8. Clients also send it without a word, or with NLST, as an older
// draft has it.
func (s *session) pickUTF8(word []byte) error {
	switch {
	case len(word) == 0, isWord(word, "ON"), isWord(word, "NLST"):
		return s.speakUTF8(true)
	case isWord(word, "OFF"):
		return s.speakUTF8(false)
	}
	return replyNoOptions
}

// speakUTF8 switches the client's names to UTF-8, or back to the character set that the
// account's clients use. The world converts them, and to the engine they are bytes: it
// only has the current directory converted, and forgets the name of RNFR.
func (s *session) speakUTF8(on bool) error {
	if s.e.namer != nil && on != s.utf8 {
		s.e.name = slices.Grow(s.e.name[:0], maxName)
		dir, err := s.e.namer.Names(s.handle, on, s.dir, s.e.name)
		switch err {
		case nil:
			s.dir = append(s.dir[:0], dir...)
		case ErrUnsupported: // names are the same either way
		default:
			return err
		}
		s.from = s.from[:0]
		s.utf8 = on
	}
	if !on {
		return replyNotUTF8
	}
	return replyUTF8
}

// pickFacts chooses the named facts and no others, and tells which these are
// (RFC 3659 §7.9).
func (s *session) pickFacts(list []byte) {
	s.facts = 0
	for word := range bytes.SplitSeq(list, []byte{';'}) {
		for i, name := range factNames {
			if bytes.EqualFold(word, []byte(name)) && s.knows(1<<i) {
				s.facts |= 1 << i
			}
		}
	}
	b := append(s.e.scratch[:0], "200 MLST OPTS"...)
	space := " "
	for i, name := range factNames {
		if s.facts&(1<<i) != 0 {
			b = append(append(append(b, space...), name...), ';')
			space = ""
		}
	}
	s.sendLine(b)
}

func (s *session) systVerb([]byte) error { return replySystem }

func (s *session) noopVerb([]byte) error { return replyOK }

// clntVerb tells the world the name of the client's program. The engine itself does not act
// on it.
func (s *session) clntVerb(program []byte) error {
	if s.e.programs != nil && len(program) > 0 {
		s.e.programs.NameProgram(s.handle, program)
	}
	return replyClient
}

// csidVerb: client and server tell their names, and neither acts on them.
func (s *session) csidVerb([]byte) error { return replyServer }

// langVerb picks the language of the replies, of which there is one.
func (s *session) langVerb(arg []byte) error {
	if len(arg) == 0 || isWord(arg, "EN") || len(arg) > 3 && isWord(arg[:3], "EN-") {
		return replyEnglish
	}
	return replyOnlyEnglish
}

// pretVerb announces the command that a passive port is for. Here any port serves any
// command. FEAT does not list PRET, or clients would send it before each PASV.
func (s *session) pretVerb([]byte) error { return replyClient }
