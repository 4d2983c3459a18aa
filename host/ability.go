package host

import (
	"io/fs"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// sessionUmask sets the permission bits that new files and directories do not get (SITE
// UMASK).
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

// permissions are those of a new file or directory: all less the umask; nil without a
// umask, so that the storage chooses.
func (s *session) permissions(all fs.FileMode) *fs.FileMode {
	if l := s.login.Load(); l != nil {
		if umask := l.umask.Load(); umask != nil {
			all &^= *umask
			return &all
		}
	}
	return nil
}
