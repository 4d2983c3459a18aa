package ftptest

import (
	"slices"

	"wasiftp/module/ftp"
)

// StartTLS protects nothing, but does all else: a control connection forgets
// what arrived and says the reply, a data connection is ready at the next step.
func (w *World) StartTLS(h ftp.Handle, reply []byte) error {
	c := w.conn("StartTLS", h)
	if c == nil {
		return ftp.ErrStorage
	}
	if s, ok := w.handles[h].(*session); ok {
		s.toServer = nil
		s.toClient = slices.Concat(s.toClient, reply)
		return nil
	}
	w.event(ftp.EventWritable, c.owner, h, nil, 0)
	return nil
}

// Deflate compresses nothing either.
func (w *World) Deflate(h ftp.Handle, level int) error {
	c, ok := get[*conn](w, "Deflate", h)
	if !ok {
		return ftp.ErrStorage
	}
	if c.deflated || level < 0 || level > 9 {
		w.broken("Deflate: a second time, or level %d", level)
	}
	c.deflated = true
	return nil
}
