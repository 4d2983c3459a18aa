package ftp

import (
	"wasiftp/wasi/ascii"
)

const (
	// pieceSize is how many bytes of a file the engine holds for a transfer that
	// it moves itself.
	pieceSize = 256 << 10

	// So many server-DTPs are kept for the next transfers.
	spareDTPs = 16
)

// dtp is the server-DTP of a transfer whose bytes the engine moves itself
// (RFC 959 §2.3): piece by piece between file and data connection.
type dtp struct {
	ascii bool
	left  int64  // bytes of the file that may yet move; below 0 for no limit
	ended bool   // no more will come from where the bytes come from
	last  byte   // of a download in ASCII: the file's byte before the piece
	held  bool   // of an upload in ASCII: a CR came last, and perhaps LF follows
	piece []byte // what is still to be written, a part of buf
	buf   [1 + pieceSize]byte
}

// newDTP takes a server-DTP from those at rest. length is that of [Transferer].
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

func (e *Engine) dropDTP(d *dtp) {
	if len(e.dtps) < spareDTPs {
		e.dtps = append(e.dtps, d)
	}
}

// proceedMoving reads a piece or writes what there is of one, and reports false
// when that has to be waited for.
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
		room = room[pieceSize/2:] // the lower half is for the CRs that come to it
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
			return true
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

// dropMoving puts the server-DTP to rest. A download whose data connection is
// still open broke off.
func (s *session) dropMoving(t *transfer) {
	if s.conn != 0 && !t.upload {
		s.e.streams.Reset(s.conn)
		s.conn, s.data = 0, dataNone
	}
	s.e.dropDTP(t.dtp)
}

// interrupted ends the transfer, unless err only says that it has to wait: for
// the storage or for the data connection.
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
