package host

import (
	"wasiftp/host/internal/charset"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// CheckCharset returns an error if name is no character set that [Config] or [Account] can
// have.
func CheckCharset(name string) error {
	_, err := charset.New(name)
	return err
}

// charset is the character set in which the session's client writes names at present; nil
// is UTF-8.
func (s *session) charset() *charset.Set {
	l := s.login.Load()
	if l == nil || s.utf8 {
		return nil
	}
	return l.names
}

// sessionNames switches the session's names to UTF-8 or back (OPTS UTF8), and converts one
// name: that of the current directory, which the engine keeps.
func (sh *shard) sessionNames(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if a.Uint32(1) > 1 || len(a.Bytes(2)) > maxLine {
		return wasi.EINVAL
	}
	name, ok := s.charset().Incoming(a.String(2))
	if !ok {
		return wasi.EINVAL
	}
	before := s.utf8
	s.utf8 = a.Uint32(1) == 1
	name = s.charset().Outgoing(name)
	if len(name) > len(a.Bytes(3)) {
		s.utf8 = before
		return wasi.EINVAL
	}
	copy(a.Bytes(3), name)
	putUint32(a.Bytes(4), uint32(len(name)))
	return wasi.OK
}
