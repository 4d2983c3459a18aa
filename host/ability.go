package host

import (
	"context"
	"errors"
	"io/fs"

	"wasiftp/wasi"
)

// abilitiesOf finds out what files can do beyond being read. Whether they know how
// much room there is depends on more than their type, so that is tried.
func abilitiesOf(fsys FS, rights Rights) uint32 {
	able := abilityOf[CreateFS](fsys, wasi.AbleUpload) | abilityOf[MkdirFS](fsys, wasi.AbleMkdir) |
		abilityOf[ChtimesFS](fsys, wasi.AbleTimes) | abilityOf[ChmodFS](fsys, wasi.AbleModes) | abilityOf[UmaskFS](fsys, wasi.AbleUmask) |
		abilityOf[SymlinkFS](fsys, wasi.AbleSymlink) | abilityOf[RemoveAllFS](fsys, wasi.AbleTree)
	if f, ok := fsys.(CreatedFS); ok && f.TellsCreated() {
		able |= wasi.AbleCreated
	}
	if f, ok := fsys.(SpaceFS); ok && rights&Write != 0 {
		if _, err := f.Space("."); !errors.Is(err, errors.ErrUnsupported) {
			able |= wasi.AbleSpace
		}
	}
	return able
}

// abilityOf is able when files have the methods of T.
func abilityOf[T FS](fsys FS, able uint32) uint32 {
	if _, ok := fsys.(T); ok {
		return able
	}
	return 0
}

// sessionUmask has what the session makes from now on made under a mask.
func (sh *shard) sessionUmask(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	mask := a.uint32(1)
	switch {
	case !s.can(Write):
		return wasi.EACCES
	case mask > 0o777:
		return wasi.EINVAL
	}
	l := s.login.Load()
	result, errno := s.ask(questionKey{call: wasi.SessionUmask, flags: mask}, func(context.Context) answer {
		m, ok := l.whole.(UmaskFS)
		if !ok {
			return answer{errno: wasi.ENOSYS}
		}
		masked := m.Umask(fs.FileMode(mask))
		if masked == nil {
			return answer{errno: wasi.EIO}
		}
		return answer{fs: masked}
	})
	if errno == wasi.OK {
		l.fs = result.fs
	}
	return errno
}
