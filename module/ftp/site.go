package ftp

import "bytes"

// siteVerb carries out what RFC 959 leaves to each site.
func (s *session) siteVerb(arg []byte) (reply, error) {
	word, rest, _ := bytes.Cut(arg, []byte{' '})
	switch {
	case isWord(word, "HELP"):
		s.sendLine(append(s.e.scratch[:0], "214-SITE commands:\r\n"+
			" SITE CHMOD <sp> mode <sp> pathname\r\n"+
			" SITE IDLE [<sp> seconds]\r\n"+
			" SITE MKDIR <sp> pathname\r\n"+
			" SITE UTIME <sp> YYYYMMDDhhmm[ss] <sp> pathname\r\n"+
			" SITE UTIME <sp> pathname <sp> atime <sp> mtime <sp> ctime <sp> UTC\r\n"+
			"214 End."...))
		return "", nil
	case isWord(word, "CHMOD"):
		return s.siteChmod(rest)
	case isWord(word, "IDLE"):
		return s.siteIdle(rest)
	case isWord(word, "MKDIR"):
		return s.siteMkdir(rest)
	case isWord(word, "UTIME"):
		return s.siteUtime(rest)
	}
	return replyNoSite, nil
}

// siteChmod sets the nine permission bits, given in octal.
func (s *session) siteChmod(arg []byte) (reply, error) {
	word, pathname, _ := bytes.Cut(arg, []byte{' '})
	mode, ok := parseMode(word)
	if !ok || len(pathname) == 0 {
		return replyBadArgument, nil
	}
	name, err := s.resolve(pathname)
	if err != nil {
		return "", err
	}
	return replyModeSet, s.e.world.SetMode(s.handle, name, mode)
}

func parseMode(b []byte) (mode uint32, ok bool) {
	for _, c := range b {
		if c < '0' || c > '7' || mode > 0o777 {
			return 0, false
		}
		mode = mode<<3 | uint32(c-'0')
	}
	return mode, len(b) > 0 && mode <= 0o777
}

// siteIdle tells how long a session may be idle, or lowers that for this one.
func (s *session) siteIdle(arg []byte) (reply, error) {
	if len(arg) > 0 {
		n, ok := parseNumber(arg, maxIdle)
		limit := s.e.config.IdleTime
		if !ok || n == 0 || limit > 0 && n*second > limit {
			return replyBadArgument, nil
		}
		s.idle = n * second
	}
	if s.idleTime() == 0 {
		return replyNoIdle, nil
	}
	b := appendInt(append(s.e.scratch[:0], "200 Idle time is "...), s.idleTime()/second)
	s.sendLine(append(b, " seconds."...))
	return "", nil
}

// siteMkdir makes a directory and those that it lies in.
func (s *session) siteMkdir(arg []byte) (reply, error) {
	if len(arg) == 0 {
		return replyNeedArgument, nil
	}
	name, err := s.resolve(arg)
	if err != nil {
		return "", err
	}
	return s.mkdir(name, true)
}

// siteUtime sets the modification time.
func (s *session) siteUtime(arg []byte) (reply, error) {
	time, pathname, ok := cutUtime(arg)
	if !ok {
		return replyBadArgument, nil
	}
	if err := s.setTime(pathname, time); err != nil {
		return "", err
	}
	return replyTimeSet, nil
}

// cutUtime takes SITE UTIME's argument apart. Clients send "pathname atime mtime
// ctime UTC", "time pathname" or "pathname time"; spaces may be part of the
// pathname.
func cutUtime(arg []byte) (time int64, pathname []byte, ok bool) {
	if len(arg) > 4 && isWord(arg[len(arg)-4:], " UTC") {
		rest, _, ok1 := cutLastTime(arg[:len(arg)-4])
		rest, time, ok2 := cutLastTime(rest)
		rest, _, ok3 := cutLastTime(rest)
		if ok1 && ok2 && ok3 && len(rest) > 0 {
			return time, rest, true
		}
	}
	word, rest, _ := bytes.Cut(arg, []byte{' '})
	if time, ok := parseTime(word, true); ok && len(rest) > 0 {
		return time, rest, true
	}
	rest, time, ok = cutLastTime(arg)
	return time, rest, ok && len(rest) > 0
}

// cutLastTime cuts a space and a time off the end of an argument.
func cutLastTime(arg []byte) (rest []byte, time int64, ok bool) {
	i := bytes.LastIndexByte(arg, ' ')
	if i < 0 {
		return arg, 0, false
	}
	time, ok = parseTime(arg[i+1:], true)
	return arg[:i], time, ok
}
