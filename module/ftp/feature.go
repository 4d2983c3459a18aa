package ftp

import "bytes"

// featVerb tells what the server can do beyond RFC 959 (RFC 2389 §3): one line
// each, with one space in front.
func (s *session) featVerb([]byte) (reply, error) {
	b := append(s.e.scratch[:0], "211-Features:\r\n"...)
	for i := range s.e.verbs {
		feature := s.e.verbs[i].Feature
		if feature == "" || !s.e.offers(&s.e.verbs[i]) || feature == "MODE Z" && s.e.deflater == nil {
			continue
		}
		b = append(append(b, ' '), feature...)
		switch feature {
		case "MLST":
			b = s.appendFactList(append(b, ' '))
		case "MFF Modify;":
			if !s.e.config.NoModes {
				b = append(b, "UNIX.mode;"...)
			}
		case "HASH":
			b = s.appendAlgorithms(append(b, ' '))
		}
		b = append(b, "\r\n"...)
	}
	s.sendLine(append(b, "211 End."...))
	return "", nil
}

// appendFactList appends all facts, those that are picked marked with "*"
// (RFC 3659 §7.8).
func (s *session) appendFactList(b []byte) []byte {
	for i, name := range factNames {
		b = append(b, name...)
		if s.facts&(1<<i) != 0 {
			b = append(b, '*')
		}
		b = append(b, ';')
	}
	return b
}

// optsVerb sets an option of another command (RFC 2389 §4).
func (s *session) optsVerb(arg []byte) (reply, error) {
	word, value, _ := bytes.Cut(arg, []byte{' '})
	switch {
	case isWord(word, "UTF8"), isWord(word, "UTF-8"):
		// Names are bytes here, so there is nothing to turn on, or off.
		return replyUTF8, nil
	case isWord(word, "MLST"):
		s.pickFacts(value)
		return "", nil
	case isWord(word, "HASH") && s.e.has&NeedHash != 0:
		return s.pickAlgorithm(value), nil
	case isWord(word, "MODE") && s.e.deflater != nil:
		return s.pickLevel(value)
	}
	return replyNoOptions, nil
}

// pickFacts turns on the named facts and no others, and tells which those are
// (RFC 3659 §7.9).
func (s *session) pickFacts(list []byte) {
	s.facts = 0
	for len(list) > 0 {
		var word []byte
		word, list, _ = bytes.Cut(list, []byte{';'})
		for i, name := range factNames {
			if bytes.EqualFold(word, []byte(name)) {
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

func (s *session) systVerb([]byte) (reply, error) { return replySystem, nil }

func (s *session) noopVerb([]byte) (reply, error) { return replyOK, nil }

func (s *session) clntVerb([]byte) (reply, error) { return replyClient, nil }

// csidVerb: both sides say who they are, and nothing comes of it.
func (s *session) csidVerb([]byte) (reply, error) { return replyServer, nil }

// langVerb picks the language of the replies, of which there is one.
func (s *session) langVerb(arg []byte) (reply, error) {
	if len(arg) == 0 || isWord(arg, "EN") || len(arg) > 3 && isWord(arg[:3], "EN-") {
		return replyEnglish, nil
	}
	return replyOnlyEnglish, nil
}

// pretVerb announces the command that a passive port is for. Here every port
// will do, and FEAT does not tell of PRET: clients would send it each time.
func (s *session) pretVerb([]byte) (reply, error) { return replyClient, nil }
