package ftp

import "bytes"

// cwdVerb changes the current directory.
func (s *session) cwdVerb(arg []byte) error {
	name, err := s.resolve(arg)
	if err != nil {
		return err
	}
	if err := s.enter(name); err != nil {
		return err
	}
	if string(name) == "." {
		name = name[:0]
	}
	s.dir = append(s.dir[:0], name...)
	return replyDirChanged
}

// cdupVerb changes to the parent directory; that of the root is the root.
func (s *session) cdupVerb([]byte) error { return s.cwdVerb([]byte("..")) }

// enter returns the fault that keeps a directory from becoming the current one, nil for
// none.
func (s *session) enter(name []byte) error {
	if s.e.enterer != nil {
		return s.e.enterer.Enter(s.handle, name)
	}
	info, err := s.e.world.Stat(s.handle, name, false)
	if err == nil && info.Type != Dir {
		err = ErrNotDir
	}
	return err
}

func (s *session) pwdVerb([]byte) error {
	return s.sayPathname("257 ", s.dir, " is the current directory.")
}

// mkdVerb makes a directory and tells its name (RFC 959 appendix II).
func (s *session) mkdVerb(arg []byte) error {
	name, err := s.resolve(arg)
	if err != nil {
		return err
	}
	return s.mkdir(name, s.e.config.Behaviour.MakeParents)
}

// Stages of making a directory. A lower stage is an offset in the name: the parents named
// before it are made.
const (
	stageParents = 1<<30 + iota // all parents are made
	stageFound                  // the name exists: Stat tells whether it is a directory
)

// mkdir makes a directory and, if parents is true, its missing parents.
func (s *session) mkdir(name []byte, parents bool) error {
	if parents {
		if err := s.makeParents(name); err != nil {
			return err
		}
	}
	err := error(ErrExist)
	if s.stage != stageFound && string(name) != "." {
		err = s.e.world.Mkdir(s.handle, name)
	}
	switch {
	case err == nil:
		return s.sayPathname("257 ", name, " is made.")
	case err != ErrExist || !s.e.config.Behaviour.MkdirExisting:
		return err
	}
	s.stage = stageFound
	info, err := s.e.world.Stat(s.handle, name, false)
	if err == nil && info.Type != Dir {
		err = ErrExist
	}
	if err != nil {
		return err
	}
	return s.sayPathname("257 ", name, " is there already.")
}

// makeParents makes the missing parents of a name, one a stage. It ignores faults: the
// call that needs the parents will fail.
func (s *session) makeParents(name []byte) error {
	for s.stage < stageParents {
		i := bytes.IndexByte(name[min(s.stage, len(name)):], '/')
		if i < 0 {
			s.stage = stageParents
			break
		}
		if s.e.world.Mkdir(s.handle, name[:s.stage+i]) == ErrAgain {
			return ErrAgain
		}
		s.stage += i + 1
	}
	return nil
}

func (s *session) rmdVerb(arg []byte) error {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	return then(s.e.world.RemoveDir(s.handle, name), replyRemoved)
}

// sayPathname sends a reply with a pathname in quotes between two texts.
func (s *session) sayPathname(before string, name []byte, behind string) error {
	b := append(s.e.scratch[:0], before...)
	b = appendQuoted(b, name)
	s.sendLine(append(b, behind...))
	return nil
}
