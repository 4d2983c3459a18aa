package ftptest

import (
	"slices"

	"wasiftp/module/ftp"
)

// plain is a World without the methods of a Transferer and a Deflater.
type plain struct{ others }

type others interface {
	ftp.World
	ftp.Streams
	ftp.Hasher
	ftp.Spacer
	ftp.Hosts
	ftp.Namer
	ftp.ProgramNamer
	ftp.TLSStopper
	ftp.TLSJoiner
	ftp.UmaskSetter
	ftp.SessionLister
	ftp.SessionKicker
	ftp.Linker
	ftp.TreeRemover
	ftp.Copier
}

// NewPlainWorld is NewWorld, but the engine moves the bytes of files, and nothing is
// compressed.
func NewPlainWorld(config ftp.Config) *World {
	w := NewWorld(config)
	w.plain = true
	w.Engine = ftp.New(plain{w}, config)
	return w
}

// ReadFile reads on in a file.
func (w *World) ReadFile(file ftp.Handle, p []byte) (int, error) {
	u, err := w.stream("ReadFile", file, p)
	if err != nil {
		return 0, err
	}
	if u.mode != ftp.OpenRead {
		w.broken("ReadFile: of an upload")
	}
	n := copy(p, u.data[:w.handy(len(u.data))])
	u.data = u.data[n:]
	return n, nil
}

// WriteFile writes on in an upload; with Async it may take a part of p only.
func (w *World) WriteFile(file ftp.Handle, p []byte) (int, error) {
	u, err := w.stream("WriteFile", file, p)
	if err != nil {
		return 0, err
	}
	if u.mode == ftp.OpenRead {
		w.broken("WriteFile: to a download")
	}
	n := w.handy(len(p))
	u.data = append(slices.Clip(u.data), p[:n]...)
	return n, nil
}

func (w *World) stream(call string, file ftp.Handle, p []byte) (*openFile, error) {
	u, ok := get[*openFile](w, call, file)
	if !ok {
		return nil, ftp.ErrStorage
	}
	if len(p) == 0 {
		w.broken("%s: no room, or nothing", call)
	}
	return u, w.wait(u.owner, call, file, len(p))
}

// handy is how many of n bytes the storage moves in one call.
func (w *World) handy(n int) int {
	if w.Async == nil || n < 2 {
		return n
	}
	return 1 + w.Async.IntN(n)
}

// Reset closes a data connection so that the client sees it broken.
func (w *World) Reset(h ftp.Handle) {
	if c, ok := get[*conn](w, "Reset", h); ok {
		c.reset = true
		w.Close(h)
	}
}
