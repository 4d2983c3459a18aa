package ftptest

import (
	"slices"

	"wasiftp/module/ftp"
)

// StartTLS encrypts nothing, but does all else: on a control connection it drops the bytes
// that arrived and sends the reply, and a data connection is ready at the next step.
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
	w.Protected++
	w.event(ftp.EventWritable, c.owner, h, nil, 0)
	return nil
}

// JoinTLS is StartTLS for a data connection, but is counted in Joined.
func (w *World) JoinTLS(h ftp.Handle) error {
	c, ok := get[*conn](w, "JoinTLS", h)
	if !ok {
		return ftp.ErrStorage
	}
	if err := w.fault("JoinTLS", ""); err != nil {
		return err
	}
	w.Joined++
	w.event(ftp.EventWritable, c.owner, h, nil, 0)
	return nil
}

// StopTLS sends the reply and drops the bytes that arrived.
func (w *World) StopTLS(h ftp.Handle, reply []byte) error {
	s, ok := get[*session](w, "StopTLS", h)
	if !ok {
		return ftp.ErrStorage
	}
	if err := w.fault("StopTLS", ""); err != nil {
		return err
	}
	s.toServer = nil
	s.toClient = slices.Concat(s.toClient, reply)
	return nil
}

// Deflate compresses nothing; it only checks the call.
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
