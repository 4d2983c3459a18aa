package ftp

import (
	"bytes"
	"slices"

	"wasiftp/wasi"
)

// SiteVerbs is a copy of the table of all commands of SITE, with rows as in [Verbs].
func SiteVerbs() []Verb { return slices.Clone(siteVerbs) }

var siteVerbs = []Verb{
	{Name: "CHMOD", Syntax: "<sp> mode <sp> pathname", Argument: RequiredPathname, Right: wasi.RightWrite,
		Able: wasi.AbleModes, run: (*session).siteChmod},
	{Name: "COPY", Syntax: `<sp> from <sp> to, names with spaces "quoted"`, Argument: RequiredPathname,
		Needs: NeedCopy, Naming: true, Right: wasi.RightRead | wasi.RightWrite, Able: wasi.AbleUpload, run: (*session).siteCopy},
	{Name: "CPFR", Syntax: "<sp> pathname", Argument: RequiredPathname, Prepares: true, Needs: NeedCopy,
		Right: wasi.RightRead | wasi.RightWrite, Able: wasi.AbleUpload, run: (*session).siteCopyFrom},
	{Name: "CPTO", Syntax: "<sp> pathname", Argument: RequiredPathname, Needs: NeedCopy, Naming: true,
		Right: wasi.RightRead | wasi.RightWrite, Able: wasi.AbleUpload, run: (*session).siteCopyTo},
	{Name: "HELP", Neutral: true, run: (*session).siteHelp},
	{Name: "IDLE", Syntax: "[<sp> seconds]", Argument: OptionalArgument, Word: true, Neutral: true,
		run: (*session).siteIdle},
	{Name: "KICK", Syntax: "<sp> number [<sp> text]", Argument: RequiredArgument, Neutral: true, Needs: NeedKick,
		Right: wasi.RightAdmin, run: (*session).siteKick},
	{Name: "MKDIR", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightMkdir, Able: wasi.AbleMkdir,
		run: (*session).siteMkdir},
	{Name: "RMDIR", Syntax: "<sp> pathname", Argument: RequiredPathname, Needs: NeedTrees, Right: wasi.RightDelete,
		Able: wasi.AbleTree, run: (*session).siteRmdir},
	{Name: "SYMLINK", Syntax: `<sp> target <sp> name, names with spaces "quoted"`, Argument: RequiredPathname,
		Needs: NeedLinks, Naming: true, Right: wasi.RightWrite, Able: wasi.AbleSymlink, run: (*session).siteSymlink},
	{Name: "UMASK", Syntax: "[<sp> mask]", Argument: OptionalArgument, Word: true, Neutral: true, Needs: NeedUmask,
		Right: wasi.RightWrite, Able: wasi.AbleUmask, run: (*session).siteUmask},
	{Name: "UTIME",
		Syntax:   "<sp> YYYYMMDDhhmm[ss] <sp> pathname | <sp> pathname <sp> atime <sp> mtime <sp> ctime <sp> UTC",
		Argument: RequiredPathname, Right: wasi.RightWrite, Able: wasi.AbleTimes, run: (*session).siteUtime},
	{Name: "WHO", Neutral: true, Needs: NeedSessions, Right: wasi.RightAdmin, run: (*session).siteWho},
}

// siteVerb refuses a command of SITE that is not in the table.
func (s *session) siteVerb([]byte) error { return replyNoSite }

// siteHelp lists the commands that can do something for this account.
func (s *session) siteHelp([]byte) error {
	b := append(s.e.scratch[:0], "214-SITE commands:\r\n"...)
	for i := range s.e.sites {
		v := &s.e.sites[i]
		if !s.serves(v) {
			continue
		}
		b = append(append(b, " SITE "...), v.Name...)
		if v.Syntax != "" {
			b = append(append(b, ' '), v.Syntax...)
		}
		b = append(b, "\r\n"...)
	}
	s.sendLine(append(b, "214 End."...))
	return nil
}

// siteChmod sets the permission bits, given in octal. Clients send four digits for
// directories that belong to a group. The storage decides which of the upper three
// bits it sets.
func (s *session) siteChmod(arg []byte) error {
	word, pathname, _ := bytes.Cut(arg, []byte{' '})
	mode, ok := parseMode(word, 0o7777)
	if !ok || len(pathname) == 0 {
		return replyBadArgument
	}
	name, err := s.resolve(pathname)
	if err != nil {
		return err
	}
	return then(s.e.world.SetMode(s.handle, name, mode), replyModeSet)
}

// siteIdle tells how long a session may be idle, or sets a shorter time for this one.
func (s *session) siteIdle(arg []byte) error {
	if len(arg) > 0 {
		n, ok := parseNumber(arg, maxIdle)
		limit := s.e.config.IdleTime
		if !ok || n == 0 || limit > 0 && n*second > limit {
			return replyBadArgument
		}
		s.idle = n * second
	}
	if s.idleTime() == 0 {
		return replyNoIdle
	}
	b := appendInt(append(s.e.scratch[:0], "200 Idle time is "...), s.idleTime()/second)
	s.sendLine(append(b, " seconds."...))
	return nil
}

// siteMkdir makes a directory and its parents.
func (s *session) siteMkdir(arg []byte) error {
	name, err := s.resolve(arg)
	if err != nil {
		return err
	}
	return s.mkdir(name, true)
}

// siteRmdir removes a directory with all that is in it.
func (s *session) siteRmdir(arg []byte) error {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	return then(s.e.treeRemover.RemoveTree(s.handle, name), replyRemoved)
}

// siteSymlink makes a symbolic link. Both arguments are resolved as any pathname of the
// client, so the target is never outside the root.
func (s *session) siteSymlink(arg []byte) error {
	target, rest, ok1 := cutPathname(arg)
	link, rest, ok2 := cutPathname(rest)
	if !ok1 || !ok2 || len(rest) > 0 {
		return replyBadArgument
	}
	name, err := s.resolveBelow(target)
	if err != nil {
		return err
	}
	target = bytes.Clone(name)
	if name, err = s.resolveBelow(link); err != nil {
		return err
	}
	return then(s.e.linker.Symlink(s.handle, target, name), replyLinked)
}

// siteUmask tells or sets which permission bits new files and directories do not get.
func (s *session) siteUmask(arg []byte) error {
	if len(arg) == 0 {
		if !s.masked {
			return replyServerUmask
		}
		s.sendLine(appendOctal(append(s.e.scratch[:0], "200 Current UMASK is "...), s.umask))
		return nil
	}
	mask, ok := parseMode(arg, 0o777)
	if !ok {
		return replyBadArgument
	}
	if err := s.e.umaskSetter.SetUmask(s.handle, mask); err != nil {
		return err
	}
	b := appendOctal(append(s.e.scratch[:0], "200 UMASK set to "...), mask)
	if s.masked {
		b = append(appendOctal(append(b, " (was "...), s.umask), ')')
	}
	s.masked, s.umask = true, mask
	s.sendLine(b)
	return nil
}

// siteUtime sets the modification time.
func (s *session) siteUtime(arg []byte) error {
	time, pathname, ok := cutUtime(arg)
	if !ok {
		return replyBadArgument
	}
	return then(s.setTime(pathname, time), replyTimeSet)
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
