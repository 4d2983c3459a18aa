package ftp

// verbsPerLine is how many verbs HELP puts on a line.
const verbsPerLine = 8

// helpVerb lists all verbs, those not implemented marked with "*", or tells the
// syntax of one.
func (s *session) helpVerb(arg []byte) error {
	if len(arg) == 0 {
		s.sayVerbs()
		return nil
	}
	v := s.e.index.get(verbKey(arg))
	if v == nil {
		return replyNoHelp
	}
	b := append(s.e.scratch[:0], "214 Syntax: "...)
	b = append(b, v.Name...)
	if v.Syntax != "" {
		b = append(append(b, ' '), v.Syntax...)
	}
	s.sendLine(b)
	return nil
}

func (s *session) sayVerbs() {
	b := append(s.e.scratch[:0], "214-Commands:"...)
	for i := range s.e.verbs {
		v := &s.e.verbs[i]
		if i%verbsPerLine == 0 {
			b = append(b, "\r\n"...)
		}
		b = append(append(b, ' '), v.Name...)
		if !s.e.offers(v) {
			b = append(b, '*')
		}
	}
	s.sendLine(append(b, "\r\n214 End."...))
}
