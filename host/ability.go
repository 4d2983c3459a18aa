package host

import (
	"context"
	"errors"
	"io/fs"

	"wasiftp/wasi"
)

// abilitiesOf finds out what files can do beyond being read. Whether they know how
// much room there is depends on more than their type, so that is tried.
func abilitiesOf(fsys FS, rights Rights) (able uint32) {
	if _, ok := fsys.(CreateFS); ok {
		able |= wasi.AbleUpload
	}
	if _, ok := fsys.(MkdirFS); ok {
		able |= wasi.AbleMkdir
	}
	if _, ok := fsys.(ChtimesFS); ok {
		able |= wasi.AbleTimes
	}
	if _, ok := fsys.(CreatedFS); ok {
		able |= wasi.AbleCreated
	}
	if _, ok := fsys.(ChmodFS); ok {
		able |= wasi.AbleModes
	}
	if _, ok := fsys.(UmaskFS); ok {
		able |= wasi.AbleUmask
	}
	if _, ok := fsys.(SymlinkFS); ok {
		able |= wasi.AbleSymlink
	}
	if _, ok := fsys.(RemoveAllFS); ok {
		able |= wasi.AbleTree
	}
	if f, ok := fsys.(SpaceFS); ok && rights&Write != 0 {
		if _, err := f.Space("."); !errors.Is(err, errors.ErrUnsupported) {
			able |= wasi.AbleSpace
		}
	}
	return able
}

func (sh *shard) sessionAbilities(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	l := s.login.Load()
	if l == nil {
		return wasi.EACCES
	}
	putUint32(a.bytes(1), l.able)
	return wasi.OK
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
