package ftp

// cwdVerb changes the current directory.
func (s *session) cwdVerb(arg []byte) (reply, error) {
	name, err := s.resolve(arg)
	if err != nil {
		return "", err
	}
	return s.changeDir(name)
}

// cdupVerb changes to the parent directory; that of the root is the root.
func (s *session) cdupVerb([]byte) (reply, error) {
	name, err := s.resolve([]byte(".."))
	if err != nil {
		return "", err
	}
	return s.changeDir(name)
}

func (s *session) changeDir(name []byte) (reply, error) {
	info, err := s.e.world.Stat(s.handle, name, false)
	if err != nil {
		return "", err
	}
	if info.Type != Dir {
		return "", ErrNotDir
	}
	if string(name) == "." {
		name = name[:0]
	}
	s.dir = append(s.dir[:0], name...)
	return replyDirChanged, nil
}

func (s *session) pwdVerb([]byte) (reply, error) {
	return s.sayPathname("257 ", s.dir, " is the current directory.")
}

// mkdVerb makes a directory and tells its name (RFC 959 appendix II).
func (s *session) mkdVerb(arg []byte) (reply, error) {
	name, err := s.resolve(arg)
	if err != nil {
		return "", err
	}
	if string(name) == "." {
		return "", ErrExist
	}
	if err := s.e.world.Mkdir(s.handle, name); err != nil {
		return "", err
	}
	return s.sayPathname("257 ", name, " is made.")
}

func (s *session) rmdVerb(arg []byte) (reply, error) {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return "", err
	}
	return replyRemoved, s.e.world.RemoveDir(s.handle, name)
}

// sayPathname says a reply with a quoted pathname in it.
func (s *session) sayPathname(before string, name []byte, behind string) (reply, error) {
	b := append(s.e.scratch[:0], before...)
	b = appendQuoted(b, name)
	s.sendLine(append(b, behind...))
	return "", nil
}
