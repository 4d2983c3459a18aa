package host

import (
	"strings"
	"unicode"
	"unicode/utf8"

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

// maxProgram is the most bytes of the name of a client's program that are kept.
const maxProgram = 128

// nameProgram keeps the name of the client's program. It is for people who read a log or a list:
// so it is cut off, and a question mark takes the place of all that is not printed.
func (s *session) nameProgram(given []byte) {
	printed := strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, string(given[:min(len(given), maxProgram)]))
	s.program.Store(&printed)
}

// programName is the name of the client's program, "" for none.
func (s *session) programName() string {
	if name := s.program.Load(); name != nil {
		return *name
	}
	return ""
}

// sessionNames switches the session's names to UTF-8 or back (OPTS UTF8), and converts one
// name: that of the current directory, which the engine keeps. Or it takes the name of the
// client's program (CLNT), or tells the style of LIST.
func (sh *shard) sessionNames(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if a.Uint32(1) == wasi.NameProgram {
		s.nameProgram(a.Bytes(2))
		putUint32(a.Bytes(4), 0)
		return wasi.OK
	}
	if a.Uint32(1) == wasi.NamesStyle {
		return s.tellStyle(a)
	}
	if a.Uint32(1) > wasi.NamesUTF8 || len(a.Bytes(2)) > maxLine {
		return wasi.EINVAL
	}
	name, ok := s.charset().Incoming(a.String(2))
	if !ok {
		return wasi.EINVAL
	}
	before := s.utf8
	s.utf8 = a.Uint32(1) == wasi.NamesUTF8
	name = s.charset().Outgoing(name)
	if len(name) > len(a.Bytes(3)) {
		s.utf8 = before
		return wasi.EINVAL
	}
	copy(a.Bytes(3), name)
	putUint32(a.Bytes(4), uint32(len(name)))
	return wasi.OK
}
