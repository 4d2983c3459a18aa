package ftp

// statVerb lists a file or a directory as part of the reply. Without an argument it
// tells the state of the session and of its transfer (RFC 959 §4.1.3).
func (s *session) statVerb(arg []byte) error {
	if len(arg) > 0 {
		return s.list(arg, listRequest{form: formLong, control: true})
	}
	b := append(s.e.scratch[:0], "211-Status:\r\n Connected from "...)
	b = s.e.world.PeerAddress(s.handle).Addr().Unmap().AppendTo(b)
	b = appendName(append(b, "\r\n Logged in as "...), s.user)
	representation, mode := "ASCII", "stream"
	if s.binary {
		representation = "image"
	}
	if s.deflate {
		mode = "deflate"
	}
	b = append(append(b, "\r\n Type "...), representation...)
	b = append(append(b, ", structure file, mode "...), mode...)
	b = s.appendProgress(append(b, "\r\n"...))
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
	b = appendUint(append(b, " Transfer under way, "...), moved)
	return append(b, " bytes so far\r\n"...)
}
