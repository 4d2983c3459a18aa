package ftp

// aborVerb ends a transfer: the transfer gets its own reply, 426, and ABOR its
// own, 226 (RFC 959 §4.1.3). With no transfer, a data connection that is waiting
// is closed.
func (s *session) aborVerb([]byte) error {
	switch {
	case s.transfer.state != transferIdle:
		s.finish(replyAborted)
	case s.data == dataNone:
		return replyNothingToAbort
	default:
		s.dropData()
	}
	return replyAbortDone
}
