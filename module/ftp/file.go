package ftp

import (
	"bytes"

	"wasiftp/wasi"
)

// stat describes the file that a pathname names.
func (s *session) stat(pathname []byte) (FileInfo, error) {
	name, err := s.resolve(pathname)
	if err != nil {
		return FileInfo{}, err
	}
	return s.e.world.Stat(s.handle, name, false)
}

// sizeVerb tells how many bytes a file has. In ASCII, RETR would send another number
// (RFC 3659 §4), but counting the line ends would mean reading the file, and clients want
// the size on disk for their progress bars.
func (s *session) sizeVerb(arg []byte) error {
	if s.e.config.Behaviour.NoASCIISize && !s.binary {
		return replyNoASCIISize
	}
	info, err := s.stat(arg)
	if err != nil {
		return err
	}
	if info.Type != Regular {
		return replyNotPlain
	}
	s.sendLine(appendUint(append(s.e.scratch[:0], "213 "...), info.Size))
	return nil
}

func (s *session) deleVerb(arg []byte) error {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	return then(s.e.world.RemoveFile(s.handle, name), replyDeleted)
}

// rnfrVerb names the file that RNTO renames (RFC 959 §4.1.3).
func (s *session) rnfrVerb(arg []byte) error {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	if _, err := s.e.world.Stat(s.handle, name, true); err != nil {
		return err
	}
	s.from, s.copies = append(s.from[:0], name...), false
	return replyNeedRNTO
}

func (s *session) rntoVerb(arg []byte) error {
	if len(s.from) == 0 || s.copies {
		return replyNeedRNFR
	}
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	return then(s.e.world.Rename(s.handle, s.from, name), replyRenamed)
}

// Stages of MDTM with two arguments, and of MFF.
const (
	stageSetTime = iota
	stageTellTime
	stageSetMode
)

// mdtmVerb tells when a file was modified (RFC 3659 §3). It refuses a directory, as all
// servers do: clients find out by MDTM what is one. With a time in front of the pathname
// it sets the time of a file or directory, as many servers do and WinSCP and FileZilla
// expect. If nothing has the rest as its name, the whole argument is taken for a pathname.
func (s *session) mdtmVerb(arg []byte) error {
	if time, name, ok := cutTime(arg); ok && s.stage == stageSetTime {
		err := s.setTime(name, time)
		if err == nil {
			s.sayTime("213 ", time, "", nil)
		}
		if err != ErrNotExist {
			return err
		}
		s.stage = stageTellTime
	}
	info, err := s.stat(arg)
	if err != nil {
		return err
	}
	if info.Type != Regular {
		return replyNotPlain
	}
	s.sayTime("213 ", info.ModTime, "", nil)
	return nil
}

// mfmtVerb sets when a file was modified (draft-somers-ftp-mfxx §3.1).
func (s *session) mfmtVerb(arg []byte) error {
	time, pathname, ok := cutTime(arg)
	if !ok {
		return replyBadArgument
	}
	if err := s.setTime(pathname, time); err != nil {
		return err
	}
	s.sayTime("213 Modify=", time, "; ", pathname)
	return nil
}

// change has the facts that MFF sets.
type change struct {
	time  int64
	mode  uint32
	needs Abilities // AbleTimes if time is to be set, AbleModes if mode is
}

// parseChange reads MFF's list of facts. Its error is a reply.
func parseChange(list []byte) (c change, err error) {
	for len(list) > 0 {
		fact, rest, ended := bytes.Cut(list, []byte{';'})
		name, value, _ := bytes.Cut(fact, []byte{'='})
		ok := false
		switch {
		case isWord(name, "MODIFY"):
			c.time, ok = parseTime(value, false)
			c.needs |= wasi.AbleTimes
		case isWord(name, "UNIX.MODE"):
			c.mode, ok = parseMode(value, 0o7777)
			c.needs |= wasi.AbleModes
		default:
			return c, replyBadFact
		}
		if !ok || !ended {
			return c, replyBadArgument
		}
		list = rest
	}
	return c, nil
}

// mffVerb sets facts of a file (draft-somers-ftp-mfxx §5). It checks all facts before it
// sets the first.
func (s *session) mffVerb(arg []byte) error {
	list, pathname, _ := bytes.Cut(arg, []byte{' '})
	c, err := parseChange(list)
	if err != nil {
		return err
	}
	if len(pathname) == 0 || len(list) == 0 {
		return replyBadArgument
	}
	if s.rights&wasi.RightWrite == 0 {
		return ErrPermission // whatever its files can do
	}
	if c.needs&^s.able != 0 {
		return replyUnsupported
	}
	name, err := s.resolve(pathname)
	if err == nil {
		err = s.apply(&c, name)
	}
	if err != nil {
		return err
	}
	b := appendName(append(s.e.scratch[:0], "213 "...), list)
	s.sendLine(appendName(append(b, ' '), pathname))
	return nil
}

// apply sets one fact a stage.
func (s *session) apply(c *change, name []byte) error {
	if s.stage == stageSetTime && c.needs&wasi.AbleTimes != 0 {
		if err := s.e.world.SetTime(s.handle, name, c.time); err != nil {
			return err
		}
	}
	s.stage = stageSetMode
	if c.needs&wasi.AbleModes == 0 {
		return nil
	}
	return s.e.world.SetMode(s.handle, name, c.mode)
}

// avblVerb tells how many bytes an upload to a directory could have.
func (s *session) avblVerb(arg []byte) error {
	name, err := s.resolve(arg)
	if err != nil {
		return err
	}
	n, err := s.e.spacer.Space(s.handle, name)
	if err != nil {
		return err
	}
	s.sendLine(appendUint(append(s.e.scratch[:0], "213 "...), n))
	return nil
}

func (s *session) setTime(pathname []byte, time int64) error {
	name, err := s.resolve(pathname)
	if err != nil {
		return err
	}
	return s.e.world.SetTime(s.handle, name, time)
}

// cutTime cuts a time and a space off the front of an argument.
func cutTime(arg []byte) (time int64, pathname []byte, ok bool) {
	word, pathname, _ := bytes.Cut(arg, []byte{' '})
	time, ok = parseTime(word, false)
	return time, pathname, ok && len(pathname) > 0
}

func (s *session) sayTime(before string, time int64, behind string, name []byte) {
	b := appendTime(append(s.e.scratch[:0], before...), time)
	s.sendLine(appendName(append(b, behind...), name))
}
