package ftp

import "strconv"

// transferState is how far a transfer has come.
type transferState uint8

const (
	transferIdle       transferState = iota
	transferConnecting               // the data connection is awaited
	transferMoving                   // the file's bytes move
	transferListing                  // the engine sends a listing
	transferCopying                  // COMB is about to copy its next part
	transferCommitting               // an upload is whole and is committed
	transferClearing                 // COMB deletes the parts that it has copied
)

// transfer is a file or a listing on its way over the data connection, or a file that is
// hashed or copied.
type transfer struct {
	state  transferState
	upload bool
	file   Handle
	list   *listing
	dtp    *dtp     // moves the bytes; nil if the world does
	sum    *sum     // nil unless the bytes are hashed, and sent nowhere
	copy   *copying // nil unless the bytes are copied to another file
	length int64    // most bytes to move; 0 is no limit
	since  int64    // when its state began, or when bytes last moved
	moved  uint64   // bytes that had moved by then
}

func (s *session) retrVerb(arg []byte) error {
	if s.partly() && s.noOffset() {
		return replyNoASCIIRest
	}
	name, err := s.prepare(arg)
	if err != nil {
		return err
	}
	file, info, err := s.e.world.Open(s.handle, name, OpenRead, s.rest)
	if err != nil {
		return err
	}
	if uint64(s.rest) > info.Size {
		s.e.world.Close(file)
		return replyBadRestart
	}
	size := int64(info.Size) - s.rest
	if length := s.rangeLength(); length > 0 {
		size = min(size, length)
	}
	s.begin(transfer{file: file, length: s.rangeLength()})
	b := appendInt(append(s.appendOpening(arg), " ("...), size)
	s.sendLine(append(b, " bytes)."...))
	return nil
}

func (s *session) storVerb(arg []byte) error {
	switch {
	case !s.partly():
		return s.upload(arg, OpenReplace)
	case s.noOffset():
		return replyNoASCIIRest
	}
	return s.upload(arg, OpenResume)
}

// partly reports whether REST or RANG limits the transfer to a part of the file.
func (s *session) partly() bool { return s.rest > 0 || s.until > 0 }

// rangeLength is how many bytes RANG asks for; 0 is all.
func (s *session) rangeLength() int64 { return max(s.until-s.rest, 0) }

func (s *session) upload(arg []byte, mode OpenMode) error {
	name, err := s.prepare(arg)
	if err != nil {
		return err
	}
	if s.e.config.Behaviour.MakeParents {
		if err := s.makeParents(name); err != nil {
			return err
		}
	}
	file, _, err := s.e.world.Open(s.handle, name, mode, s.rest)
	if err == ErrName && mode == OpenResume {
		return replyBadRestart
	}
	if err != nil {
		return err
	}
	s.sendLine(append(s.appendOpening(arg), '.'))
	t := transfer{file: file, upload: true}
	if mode == OpenResume {
		t.length = s.rangeLength()
	}
	s.begin(t)
	return nil
}

// appeVerb appends an upload to a file. An offset of REST does not count: the upload goes
// to the end.
func (s *session) appeVerb(arg []byte) error { return s.upload(arg, OpenAppend) }

// maxUnique is how many names STOU tries.
const maxUnique = 1000

// stouVerb puts an upload in a new file, and tells its name in the reply that RFC 1123
// §4.1.2.9 prescribes. The name is the client's or, without one, is made from the time.
// If there is such a file, a number is added to the name.
func (s *session) stouVerb(arg []byte) error {
	if err := s.needData(); err != nil {
		return err
	}
	for ; s.stage < maxUnique; s.stage++ {
		var buf [64]byte
		unique := append(buf[:0], arg...)
		if len(arg) == 0 {
			unique = strconv.AppendInt(append(unique, "stou-"...), (s.heard+s.e.ahead)/1e6, 36)
		}
		if s.stage > 0 {
			unique = appendInt(append(unique, '.'), int64(s.stage))
		}
		name, err := s.resolve(unique)
		if err != nil {
			return err
		}
		file, _, err := s.e.world.Open(s.handle, name, OpenUnique, 0)
		if err == ErrExist {
			continue
		}
		if err != nil {
			return err
		}
		s.sendLine(appendName(append(s.e.scratch[:0], "150 FILE: "...), unique))
		s.begin(transfer{file: file, upload: true})
		return nil
	}
	return ErrExist
}

// prepare resolves the pathname of a transfer. It fails if there is no data connection
// to be had for it.
func (s *session) prepare(arg []byte) ([]byte, error) {
	if err := s.needData(); err != nil {
		return nil, err
	}
	return s.resolve(arg)
}

func (s *session) appendOpening(arg []byte) []byte {
	representation := "ASCII"
	if s.binary {
		representation = "BINARY"
	}
	b := append(append(s.e.scratch[:0], "150 Opening "...), representation...)
	return appendName(append(b, " mode data connection for "...), arg)
}

// begin begins a transfer; its caller says the preliminary reply. Where the engine moves the
// bytes itself, the preliminary reply of a download is kept back, and sent together with
// the completion reply if nothing has to be waited for between them: not every runtime can
// turn Nagle's algorithm off, which would delay the second reply by 40 ms. The client of an
// upload waits for the preliminary reply, so that is sent at once.
func (s *session) begin(t transfer) {
	t.state, t.since = transferConnecting, s.e.now
	s.transfer = t
	s.corked = s.e.streams != nil && !t.upload && (t.list == nil || !t.list.control)
}

// proceedTransfer does the next step of a transfer, and reports false if it has to
// wait.
func (s *session) proceedTransfer() bool {
	switch s.transfer.state {
	case transferConnecting:
		return s.proceedConnecting()
	case transferMoving:
		return s.proceedMoving()
	case transferListing:
		return s.proceedListing()
	case transferCommitting:
		return s.proceedCommitting()
	case transferCopying:
		return s.proceedCopying()
	case transferClearing:
		return s.proceedClearing()
	}
	return false
}

func (s *session) proceedConnecting() bool {
	err := s.connect()
	if err == ErrAgain {
		return false
	}
	t := &s.transfer
	if err == nil && s.deflate {
		err = s.e.deflater.Deflate(s.conn, s.level)
	}
	if err == nil && t.list == nil {
		err = s.move()
	}
	if err != nil {
		s.dataFailed(err)
		return true
	}
	t.state, t.since = transferMoving, s.e.now
	if t.list != nil {
		t.state = transferListing
	}
	return true
}

// move begins to move the file's bytes.
func (s *session) move() error {
	t := &s.transfer
	ascii := !s.binary && !s.e.config.Behaviour.ASCIIVerbatim
	if s.e.transferer == nil {
		t.dtp = s.e.newDTP(ascii, t.length)
		return nil
	}
	if err := s.e.transferer.Start(t.file, s.conn, ascii, t.length); err != nil {
		return err
	}
	// The world has taken the data connection over.
	s.conn, s.data = 0, dataNone
	return nil
}

// progress is how many bytes have moved, or been hashed or copied, so far.
func (s *session) progress() uint64 {
	switch t := &s.transfer; {
	case t.sum != nil:
		return s.e.hasher.Progress(t.file)
	case t.copy != nil:
		return s.e.copier.Progress(t.file)
	case t.dtp == nil:
		return s.e.transferer.Progress(t.file)
	default:
		return t.moved
	}
}

// transferred handles the end of the bytes: all have moved if err is nil.
func (s *session) transferred(err error, bytes uint64) {
	s.transfer.moved = bytes
	if err == ErrName && s.transfer.length == 0 {
		err = ErrStorage // there is no range that could be exceeded
	}
	switch {
	case s.transfer.sum != nil:
		s.hashed(s.transfer.sum, err)
	case err != nil && s.transfer.copy != nil:
		s.copyFailed(err)
	case err != nil:
		s.finish(replyToTransfer(err))
	case s.transfer.upload:
		// A client that has hung up before the upload's end has died (RFC 959 §4.1.1).
		s.transfer.state, s.readable = transferCommitting, true
	default:
		s.dropData()
		s.finish(replyTransferDone)
	}
}

func (s *session) proceedCommitting() bool {
	if s.waiting {
		return false
	}
	err := s.e.world.Commit(s.transfer.file)
	if err == ErrAgain {
		s.waiting = true
		return false
	}
	if err == nil {
		s.transfer.file = 0
	}
	switch copies := s.transfer.copy != nil; {
	case copies && err != nil:
		s.copyFailed(err)
	case copies:
		s.copied()
	case err != nil:
		s.finish(replyToCommit(err))
	default:
		s.finish(replyTransferDone)
	}
	return true
}

// stalled gives up a transfer of which no byte has moved since the timer began.
func (s *session) stalled() {
	t := &s.transfer
	if t.state == transferMoving {
		if moved := s.progress(); moved != t.moved {
			t.moved, t.since = moved, s.e.now
			return
		}
	}
	if t.list != nil && t.list.control {
		s.phase = phaseLost // the listing is an unfinished reply: no other can be said
		return
	}
	s.finish(replyStalled)
}

// finish ends the transfer and tells how it went.
func (s *session) finish(r reply) {
	s.dropTransfer()
	s.dropData()
	s.heard = s.e.now
	s.say(r)
}

// dropTransfer releases what a transfer holds. An upload that is not committed is
// aborted.
func (s *session) dropTransfer() {
	t := &s.transfer
	if t.file != 0 {
		s.e.world.Close(t.file)
	}
	if t.list != nil {
		s.dropList(t.list)
	}
	if t.dtp != nil {
		s.dropMoving(t)
	}
	if t.state != transferIdle {
		s.waiting = false
	}
	s.transfer, s.corked = transfer{}, false
	s.held, s.lines.scanned = 0, 0
}
