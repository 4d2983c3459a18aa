package ftp

import "wasiftp/wasi/ascii"

const (
	pieceSize = 256 << 10 // bytes of a file that a server-DTP holds at most
	spareDTPs = 16        // server-DTPs at rest that the engine keeps
)

// dtp is the server-DTP of a transfer whose bytes the engine moves itself
// (RFC 959 §2.3): piece by piece between file and data connection.
type dtp struct {
	ascii bool
	left  int64  // bytes of the file that may yet move; negative is no limit
	ended bool   // the file of a download, or the data connection of an upload, is at its end
	last  byte   // of a download in ASCII: the file's byte before the piece
	held  bool   // of an upload in ASCII: a CR came last, and LF may follow
	piece []byte // the bytes still to be written, a part of buf
	buf   [1 + pieceSize]byte
}

// newDTP returns a server-DTP at rest, or a new one. length is that of [Transferer].
func (e *Engine) newDTP(ascii bool, length int64) *dtp {
	var d *dtp
	if n := len(e.dtps); n > 0 {
		d, e.dtps = e.dtps[n-1], e.dtps[:n-1]
	} else {
		d = &dtp{}
	}
	d.ascii, d.left = ascii, length
	if length <= 0 {
		d.left = -1
	}
	d.ended, d.last, d.held, d.piece = false, 0, false, nil
	return d
}

// proceedMoving reads the next piece or writes the present one, and reports false when
// it has to wait.
func (s *session) proceedMoving() bool {
	t := &s.transfer
	d := t.dtp
	switch {
	case d == nil || s.waiting:
		return false
	case len(d.piece) > 0 && t.upload:
		return s.store(d)
	case len(d.piece) > 0:
		return s.transmit(d)
	case d.ended:
		s.transferred(nil, t.moved)
		return true
	case t.upload:
		return s.receive(d)
	}
	return s.retrieve(d)
}

// retrieve reads a download's next piece.
func (s *session) retrieve(d *dtp) bool {
	room := d.buf[:pieceSize]
	if d.ascii {
		room = room[pieceSize/2:] // the lower half is for the CRs that are added
	}
	if d.left >= 0 {
		room = room[:min(int64(len(room)), d.left)]
	}
	n := 0
	if len(room) > 0 {
		var err error
		if n, err = s.e.streams.ReadFile(s.transfer.file, room); err != nil {
			return s.interrupted(err, true)
		}
	}
	if d.left >= 0 {
		d.left -= int64(n)
	}
	d.ended = n == 0
	d.piece = room[:n]
	if d.ascii && n > 0 {
		last := room[n-1]
		d.piece = ascii.AppendCRLF(d.buf[:0], d.piece, d.last)
		d.last = last
	}
	return true
}

// transmit writes a download's piece.
func (s *session) transmit(d *dtp) bool {
	n, err := s.e.world.Write(s.conn, d.piece)
	if err != nil {
		return s.interrupted(err, false)
	}
	s.crossed(n)
	d.piece = d.piece[n:]
	return len(d.piece) == 0
}

// receive reads an upload's next piece. The buffer's first byte is for a CR that
// was held.
func (s *session) receive(d *dtp) bool {
	n, err := s.e.world.Read(s.conn, d.buf[1:])
	if err != nil {
		return s.interrupted(err, false)
	}
	s.crossed(n)
	d.ended = n == 0
	from := 1
	if d.held {
		from, d.buf[0], d.held = 0, '\r', false
	}
	d.piece = d.buf[from : 1+n]
	if d.ascii && !d.ended {
		d.piece, d.held = ascii.AppendLF(d.buf[:0], d.piece)
	}
	if d.left >= 0 {
		if d.left -= int64(len(d.piece)); d.left < 0 {
			s.transferred(ErrName, s.transfer.moved)
		}
	}
	return true
}

// store writes an upload's piece.
func (s *session) store(d *dtp) bool {
	n, err := s.e.streams.WriteFile(s.transfer.file, d.piece)
	if err == nil && n == 0 {
		err = ErrStorage
	}
	if err != nil {
		return s.interrupted(err, true)
	}
	d.piece = d.piece[n:]
	return true
}

// dropMoving puts the server-DTP to rest. A download that still has its data connection
// was broken off: a clean end of the connection would look like that of the file.
func (s *session) dropMoving(t *transfer) {
	if s.conn != 0 && !t.upload {
		s.e.streams.Reset(s.conn)
		s.conn, s.data = 0, dataNone
	}
	if len(s.e.dtps) < spareDTPs {
		s.e.dtps = append(s.e.dtps, t.dtp)
	}
}

// interrupted ends the transfer with a fault of the storage or of the data connection.
// After ErrAgain the transfer waits, and interrupted reports false.
func (s *session) interrupted(err error, storage bool) bool {
	if err == ErrAgain {
		s.waiting = storage
		return false
	}
	if storage {
		err = ofStorage(err)
	} else {
		err = ofData(err)
	}
	s.transferred(err, s.transfer.moved)
	return true
}

// crossed counts bytes that went over the data connection.
func (s *session) crossed(n int) {
	if n > 0 {
		s.transfer.moved += uint64(n)
		s.transfer.since = s.e.now
	}
}
