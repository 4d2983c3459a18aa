package host

import (
	"io/fs"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

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
