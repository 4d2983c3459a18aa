package host

import (
	"errors"
	"io/fs"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// abilitiesOf finds out what files can do beyond being read. Whether they know how
// much room there is depends on more than their type, so that is tried.
func abilitiesOf(fsys FS, rights Rights) wasi.Abilities {
	able := abilityOf[CreateFS](fsys, wasi.AbleUpload) | abilityOf[MkdirFS](fsys, wasi.AbleMkdir) |
		abilityOf[ChtimesFS](fsys, wasi.AbleTimes) | abilityOf[ChmodFS](fsys, wasi.AbleModes|wasi.AbleUmask) |
		abilityOf[SymlinkFS](fsys, wasi.AbleSymlink) | abilityOf[RemoveFS](fsys, wasi.AbleTree)
	if f, ok := fsys.(CreatedFS); ok && f.TellsCreated() {
		able |= wasi.AbleCreated
	}
	if f, ok := fsys.(SpaceFS); ok && rights&RightWrite != 0 {
		if _, err := f.Space("."); !errors.Is(err, errors.ErrUnsupported) {
			able |= wasi.AbleSpace
		}
	}
	return able
}

// abilityOf is able when files have the methods of T.
func abilityOf[T FS](fsys FS, able wasi.Abilities) wasi.Abilities {
	if _, ok := fsys.(T); ok {
		return able
	}
	return 0
}

// sessionUmask has what the session makes from now on made under a mask.
func (sh *shard) sessionUmask(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	mask := a.Uint32(1)
	switch {
	case !s.can(RightWrite):
		return wasi.EACCES
	case mask > 0o777:
		return wasi.EINVAL
	}
	l := s.login.Load()
	if l.able&wasi.AbleUmask == 0 {
		return wasi.ENOSYS
	}
	umask := fs.FileMode(mask)
	l.umask.Store(&umask)
	return wasi.OK
}

// permissions are those of what the session makes, of all that it could have; nil for
// those that the storage chooses.
func (s *session) permissions(all fs.FileMode) *fs.FileMode {
	l := s.login.Load()
	if l == nil {
		return nil
	}
	umask := l.umask.Load()
	if umask == nil {
		return nil
	}
	all &^= *umask
	return &all
}
