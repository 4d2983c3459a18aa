package ftp

// sizeVerb tells how many bytes a file has. In ASCII that is not what RETR
// would send (RFC 3659 §4), but counting line ends would mean reading the file,
// and clients want the size on disk to draw their progress bar.
func (s *session) sizeVerb(arg []byte) (reply, error) {
	info, err := s.stat(arg)
	if err != nil {
		return "", err
	}
	if info.Type != Regular {
		return replyNotPlain, nil
	}
	b := append(s.e.scratch[:0], "213 "...)
	s.sendLine(appendPadded(b, info.Size, 1, '0'))
	return "", nil
}

// stat describes the file that a pathname names.
func (s *session) stat(pathname []byte) (FileInfo, error) {
	name, err := s.resolve(pathname)
	if err != nil {
		return FileInfo{}, err
	}
	return s.e.world.Stat(s.handle, name, false)
}

func (s *session) noopVerb([]byte) (reply, error) { return replyOK, nil }

func (s *session) systVerb([]byte) (reply, error) { return replySystem, nil }
