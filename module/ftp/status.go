package ftp

// statVerb lists a file or a directory as part of the reply, or tells about the
// session; during a transfer, how far that has come (RFC 959 §4.1.3).
func (s *session) statVerb(arg []byte) error {
	if len(arg) > 0 {
		return s.list(arg, listRequest{form: formLong, control: true})
	}
	b := append(s.e.scratch[:0], "211-Status:\r\n Connected from "...)
	b = s.e.world.PeerAddress(s.handle).Addr().Unmap().AppendTo(b)
	b = append(b, "\r\n Logged in as "...)
	b = appendName(b, s.user)
	b = append(b, "\r\n Type "...)
	if s.binary {
		b = append(b, "image"...)
	} else {
		b = append(b, "ASCII"...)
	}
	b = append(b, ", structure file, mode "...)
	if s.deflate {
		b = append(b, "deflate\r\n"...)
	} else {
		b = append(b, "stream\r\n"...)
	}
	b = s.appendProgress(b)
	s.sendLine(append(b, "211 End of status."...))
	return nil
}

func (s *session) appendProgress(b []byte) []byte {
	t := &s.transfer
	moved := t.moved
	switch t.state {
	case transferIdle:
		return append(b, " No transfer\r\n"...)
	case transferConnecting:
		return append(b, " Waiting for the data connection\r\n"...)
	case transferMoving:
		moved = s.progress()
	}
	b = append(b, " Transfer under way, "...)
	b = appendPadded(b, moved, "")
	return append(b, " bytes so far\r\n"...)
}
