package host

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
	"wasiftp/wasi/ascii"
)

// transfer moves the bytes between an open file and a data connection, on a goroutine of
// its own or, of a small file, on the shard's: the guest never sees them. A hash and a copy
// are transfers without a data connection. Under TYPE I the kernel moves the bytes
// (sendfile, splice), if both ends are its own.
type transfer struct {
	file      *openFile
	conn      net.Conn      // nil for a hash or a copy, and where the shard sends or receives
	small     *smallUpload  // nil unless the shard has received the upload's first bytes
	tls       *conn.Closing // conn under its TLS; nil in the clear
	ascii     bool
	deflated  bool
	length    int64          // most bytes of the file; 0 is no limit, but of a copy an empty source
	hash      hash.Hash      // nil unless the file is hashed
	algorithm wasi.Algorithm // of the hash
	throttle  *throttle      // nil for no limit of the rate
	labour    *labour        // of a hash or a copy; nil where the network sets the pace
	began     time.Time
	bytes     atomic.Int64 // bytes that crossed the data connection, or were hashed or copied
	ctx       context.Context
	cancel    context.CancelFunc // ends ctx, and so the transfer
	err       error              // how it ended; set before finished is closed, as is duration
	duration  time.Duration
	finished  chan struct{}
}

var errGivenUp = errors.New("aborted")

func (sh *shard) transferStart(a *wasm.Args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	c, errno := get[*dataConn](&sh.handles, a.Handle(1))
	if errno != wasi.OK {
		return errno
	}
	if c.session != f.session || f.transfer != nil {
		return wasi.EBADF
	}
	if f.taken.Load() {
		return wasi.ECANCELED
	}
	if a.Uint32(2)&^wasi.TransferASCII != 0 || a.Int64(3) < 0 {
		return wasi.EINVAL
	}
	if errno := c.usable(); errno != wasi.OK {
		return errno
	}
	if c.stream.Busy() {
		return wasi.EBUSY // two would write
	}
	f.session.disown(a.Handle(1))
	if c.cancel != nil {
		c.cancel()
	}
	handle := a.Handle(0)
	t := f.begin(handle, f.doing())
	t.tls, t.ascii, t.length = c.tls, a.Uint32(2)&wasi.TransferASCII != 0, a.Int64(3)
	t.deflated = c.deflated != nil
	t.throttle = f.session.throttled(f.upload != nil)
	sh.server.counter.moves(t)
	if c.deflated != nil {
		c.deflated.Labour = f.session.labour(t.ctx)
	}
	if !t.sendSmall(c, handle) && !t.receiveSmall(c, handle) {
		t.depart(c, handle)
	}
	return wasi.OK
}

// depart has a goroutine move the bytes.
func (t *transfer) depart(c *dataConn, handle uint32) {
	t.conn = c.stream.Ordinary()
	t.throttle.begin()
	t.file.session.server.work.Go(func() { t.run(handle) })
}

// begin makes the transfer of a file, and shows it in SITE WHO.
func (f *openFile) begin(handle uint32, doing uint16) *transfer {
	f.transfer = &transfer{file: f, began: time.Now(), finished: make(chan struct{})}
	f.transfer.ctx, f.transfer.cancel = context.WithCancel(context.Background())
	f.session.does(handle, doing, cmp.Or(f.from, f.name), &f.transfer.bytes)
	return f.transfer
}

func (sh *shard) transferProgress(a *wasm.Args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	if f.transfer == nil {
		return wasi.EINVAL
	}
	binary.LittleEndian.PutUint64(a.Bytes(1), uint64(f.transfer.bytes.Load()))
	return wasi.OK
}

// run moves the bytes, and posts the result to the guest.
func (t *transfer) run(handle uint32) {
	s := t.file.session
	t.err = s.guard(filesCode, t.move)
	t.throttle.end()
	t.duration = time.Since(t.began)
	if t.err == nil && t.conn != nil && t.file.upload != nil {
		var doubt time.Duration
		t.err = s.guard(filesCode, func() error { doubt = t.doubt(); return nil })
		s.stream.AwaitOver(doubt)
	}
	if t.ctx.Err() != nil {
		t.err = errGivenUp
	}
	t.hangUp()
	if t.file.source != nil {
		s.guard(filesCode, t.file.source.Close)
	}
	t.finish(handle)
}

// finish tells how the transfer ended.
func (t *transfer) finish(handle uint32) {
	s := t.file.session
	switch {
	case t.hash != nil || t.file.source != nil:
	case t.file.upload == nil:
		s.sent.Add(t.bytes.Load())
	default:
		s.received.Add(t.bytes.Load())
	}
	s.server.counter.moved(t)
	if t.err != nil {
		s.spoken.told.Store(true)
	}
	close(t.finished)
	switch {
	case t.hash != nil:
		t.file.observe(t.event(Hashed, t.err))
	case t.file.upload == nil:
		t.file.observe(t.event(Downloaded, t.err))
	}
	s.shard.post(wasi.Event{
		Kind: wasi.EventTransfer, Session: s.handle, Handle: handle,
		Errno: errnoOf(t.err), Value: uint64(t.bytes.Load()),
	})
}

// dyingTime is how long the system of a client that died takes to close all of its
// connections: mostly some microseconds, but 17 ms were seen on a busy machine, and once
// more than 30.
const dyingTime = 30 * time.Millisecond

// doubt is how long after the end of an upload its control connection may still end and
// so show that the client died: its system closes its connections in any order. There is
// no doubt if the client ended TLS or compression, nor a need to wait if others could see
// the upload grow, since they do not take it for whole.
func (t *transfer) doubt() time.Duration {
	hidden, ok := t.file.upload.(fsbridge.HiddenUpload)
	_, deflated := t.conn.(*conn.Deflated)
	if !ok || !hidden.Hidden() || deflated || t.tls != nil && !t.tls.Ended {
		return 0
	}
	if s := t.file.session; s.client.Addr().IsLoopback() || s.client.Addr() == s.local.Addr() {
		return dyingAt(load())
	}
	return dyingTime
}

// dyingAt is dyingTime for a client on this machine, where load programs want each processor.
func dyingAt(load float64) time.Duration {
	return min(time.Duration(float64(dyingTime)*(1+2*load)), time.Second)
}

func (t *transfer) move() error {
	switch {
	case t.hash != nil:
		return t.digest()
	case t.file.source != nil:
		return t.copy(t.file.upload, t.file.source)
	case t.file.upload == nil:
		return t.drain()
	case t.length > 0:
		return t.fill(&bounds{t.file.upload, t.length})
	}
	return t.fill(t.file.upload)
}

// drain moves a download. In MODE Z the end of the compressed data must be sent as well.
func (t *transfer) drain() error {
	var err error
	switch src := t.file.reader; {
	case !t.ascii:
		downloads := &t.file.session.server.downloads
		downloads.Add(1)
		defer downloads.Add(-1)
		err = t.copy(t.conn, src)
	case t.length > 0:
		err = ascii.Encode(counted{t.conn, t}, io.LimitReader(src, t.length))
	default:
		err = ascii.Encode(counted{t.conn, t}, src)
	}
	if d, ok := t.conn.(*conn.Deflated); ok && err == nil {
		err = d.Finish()
	}
	return err
}

// fill moves an upload.
func (t *transfer) fill(dst io.Writer) error {
	if err := t.store(); err != nil {
		return err
	}
	if t.ascii {
		return ascii.Decode(dst, counted{t.conn, t})
	}
	return t.copy(dst, t.conn)
}

// bounds is a writer that takes room bytes at most.
type bounds struct {
	io.Writer
	room int64
}

func (b *bounds) Write(p []byte) (int, error) {
	if b.room -= int64(len(p)); b.room < 0 {
		return 0, wasi.EINVAL
	}
	return b.Writer.Write(p)
}

// A piece is the number of bytes that are moved before progress is noted: small enough
// that a slow connection shows progress, large enough to cost nothing.
const (
	firstPiece = 64 << 10
	maxPiece   = 8 << 20
	pieceTime  = time.Second

	// TLS and conversion keep a processor busy. After so many bytes they yield to other
	// goroutines, which would otherwise wait 10 ms for the scheduler to interrupt each.
	busyPiece = conn.SecurePiece
)

func (t *transfer) copy(dst io.Writer, src io.Reader) error {
	piece, most := int64(firstPiece), int64(maxPiece)
	if t.tls != nil {
		most = busyPiece
	}
	for t.ctx.Err() == nil {
		want := t.throttle.wait(t.ctx, piece)
		if t.ctx.Err() != nil {
			break
		}
		if err := t.labour.beginFor(diskTime); err != nil {
			return err
		}
		if done, err := t.sendBlocking(src); done {
			return err
		}
		began, full := time.Now(), want
		if t.file.source != nil || t.length > 0 && t.file.upload == nil {
			want = min(want, t.length-t.bytes.Load())
		}
		n, err := t.copyPiece(dst, src, want)
		t.labour.End()
		t.bytes.Add(n)
		t.throttle.moved(n)
		if err != nil {
			return err
		}
		if n < full {
			return nil
		}
		switch took := time.Since(began); {
		case took > pieceTime:
			piece = max(piece/2, firstPiece/4)
		case took < pieceTime/8:
			piece = min(piece*2, most)
		}
		if t.tls != nil {
			runtime.Gosched()
		}
	}
	return errGivenUp
}

// A long download waits in the kernel if others run: then it is their goroutines that Go's
// poller has to wake. One or two alone are as fast with the poller.
const (
	longDownload  = 4 << 20 // bytes
	manyDownloads = 3
)

// sendBlocking has the kernel send the rest of a long download; done says that it has.
func (t *transfer) sendBlocking(src io.Reader) (done bool, err error) {
	moved := t.bytes.Load()
	if moved < longDownload || t.throttle != nil || t.file.upload != nil || t.file.session.server.downloads.Load() < manyDownloads {
		return false, nil
	}
	left := int64(0)
	if t.length > 0 {
		left = t.length - moved
	}
	done, err = conn.SendFile(t.ctx, t.conn, src, left, func(n int64) { t.bytes.Add(n) })
	if t.ctx.Err() != nil {
		err = errGivenUp
	}
	return done, err
}

// copyPiece copies up to n bytes; fewer without an error means the end. A destination that
// is an io.ReaderFrom reads by itself: it is there that Go has the kernel copy.
func (t *transfer) copyPiece(dst io.Writer, src io.Reader, n int64) (int64, error) {
	limited := io.LimitedReader{R: src, N: n}
	if secure, ok := dst.(*tls.Conn); ok {
		return t.encrypt(secure, &limited)
	}
	if _, ok := src.(*tls.Conn); ok {
		buf := conn.SecurePieces.Get().(*[conn.SecurePiece]byte)
		defer conn.SecurePieces.Put(buf)
		return io.CopyBuffer(struct{ io.Writer }{dst}, gathered{&limited}, buf[:])
	}
	if r, ok := dst.(io.ReaderFrom); ok {
		return r.ReadFrom(&limited)
	}
	return io.Copy(dst, &limited)
}

// encrypt copies under TLS. The buffer of the bytes in the clear is free before the
// encrypted ones are sent, which takes as long as the client likes.
func (t *transfer) encrypt(dst *tls.Conn, src io.Reader) (copied int64, err error) {
	for err == nil {
		t.tls.Gather()
		var n int
		if n, err = encryptPiece(dst, src); n > 0 {
			if failed := t.tls.Flush(); failed != nil {
				return copied, failed
			}
			copied += int64(n)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return copied, cmp.Or(err, t.tls.Flush())
}

// encryptPiece reads and encrypts as much as fits into a buffer.
func encryptPiece(dst io.Writer, src io.Reader) (n int, err error) {
	buf := conn.SecurePieces.Get().(*[conn.SecurePiece]byte)
	defer conn.SecurePieces.Put(buf)
	n, err = io.ReadFull(src, buf[:])
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if n > 0 {
		if _, failed := dst.Write(buf[:n]); failed != nil {
			return 0, failed
		}
	}
	return n, err
}

// gathered fills the whole buffer in each Read: TLS gives 16 KB at a time.
type gathered struct{ io.Reader }

func (g gathered) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = g.Reader.Read(p[n:])
		n += m
	}
	return n, err
}

// hangUp closes the data connection. A download that failed is reset, so that it does not
// look complete.
func (t *transfer) hangUp() {
	if t.conn == nil {
		return
	}
	if t.err != nil && t.file.upload == nil {
		conn.Reset(t.conn)
	}
	t.conn.Close()
	t.file.session.seat.drop(nil)
}

// giveUp has the transfer end soon.
func (t *transfer) giveUp() {
	t.cancel()
	switch {
	case t.conn != nil:
		t.conn.SetDeadline(time.Unix(1, 0))
	case t.small != nil && !t.over():
		t.conclude(t.small.from, t.small.handle, errGivenUp)
	}
}

// over says whether nothing moves: the transfer is finished, or nil.
func (t *transfer) over() bool {
	if t == nil {
		return true
	}
	select {
	case <-t.finished:
		return true
	default:
		return false
	}
}

// event describes the transfer, which must be finished.
func (t *transfer) event(kind EventKind, err error) Event {
	return Event{
		Kind: kind, Verb: t.file.verb(), Path: "/" + t.file.name, Offset: t.file.offset, Deflated: t.deflated,
		Bytes: t.bytes.Load(), Duration: t.duration, ASCII: t.ascii, Err: err,
		TLS: t.tls != nil, TLSClosed: t.tls != nil && t.file.upload != nil && t.err == nil && !t.tls.Ended,
	}
}

// counted is a connection that counts the transfer's bytes.
type counted struct {
	net.Conn
	t *transfer
}

func (c counted) Read(p []byte) (int, error) {
	p = p[:c.t.throttle.wait(c.t.ctx, int64(len(p)))]
	if c.t.ctx.Err() != nil {
		return 0, errGivenUp // the deadline of giveUp does not stop expanding bytes that are there already
	}
	n, err := c.Conn.Read(p)
	c.t.bytes.Add(int64(n))
	c.t.throttle.moved(int64(n))
	runtime.Gosched() // see busyPiece
	return n, err
}

func (c counted) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := int(c.t.throttle.wait(c.t.ctx, int64(len(p)-n)))
		if c.t.ctx.Err() != nil {
			return n, errGivenUp
		}
		piece, err = c.Conn.Write(p[n : n+piece])
		n += piece
		c.t.bytes.Add(int64(piece))
		c.t.throttle.moved(int64(piece))
		runtime.Gosched() // see busyPiece
	}
	return n, err
}
