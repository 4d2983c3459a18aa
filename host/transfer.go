package host

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"wasiftp/wasi"
)

// transfer moves the bytes between an open file and a data connection, on a
// goroutine of its own: the guest never sees them. In binary the kernel moves
// them alone, where file and connection are its own (sendfile, splice).
type transfer struct {
	file     *openFile
	conn     net.Conn
	ascii    bool
	began    time.Time
	bytes    atomic.Int64 // that crossed the data connection
	given    atomic.Bool  // given up by the guest
	err      error        // after finished
	duration time.Duration
	finished chan struct{}
}

var errGivenUp = errors.New("aborted")

func (sh *shard) transferStart(a *args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	c, errno := get[*dataConn](&sh.handles, a.handle(1))
	if errno != wasi.OK {
		return errno
	}
	if c.session != f.session || c.conn == nil || f.transfer != nil {
		return wasi.EBADF
	}
	if a.uint32(2)&^wasi.TransferASCII != 0 {
		return wasi.EINVAL
	}
	f.session.disown(a.handle(1))
	if c.cancel != nil {
		c.cancel()
	}
	f.transfer = &transfer{
		file: f, conn: sh.server.dataEnd(c.conn), ascii: a.uint32(2)&wasi.TransferASCII != 0,
		began: time.Now(), finished: make(chan struct{}),
	}
	handle := a.handle(0)
	sh.server.work.Go(func() { f.transfer.run(handle) })
	return wasi.OK
}

func (sh *shard) transferProgress(a *args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	if f.transfer == nil {
		return wasi.EINVAL
	}
	binary.LittleEndian.PutUint64(a.bytes(1), uint64(f.transfer.bytes.Load()))
	return wasi.OK
}

// run moves the bytes and tells the guest how it went.
func (t *transfer) run(handle uint32) {
	t.err = t.move()
	t.duration = time.Since(t.began)
	if t.given.Load() {
		t.err = errGivenUp
	}
	t.hangUp()
	close(t.finished)
	if t.file.upload == nil {
		t.file.session.observe(t.event(Downloaded, t.err))
	}
	t.file.session.shard.post(wasi.Event{
		Kind: wasi.EventTransfer, Session: t.file.session.handle, Handle: handle,
		Errno: errnoOf(t.err), Value: uint64(t.bytes.Load()),
	})
}

func (t *transfer) move() (err error) {
	defer t.file.session.recovered(func(fault error) { err = fault })
	switch {
	case t.file.upload == nil && t.ascii:
		return encodeLines(counted{t.conn, &t.bytes}, t.file.reader)
	case t.file.upload == nil:
		return t.copy(t.conn, t.file.reader)
	case t.ascii:
		return decodeLines(t.file.upload, counted{t.conn, &t.bytes})
	}
	return t.copy(t.file.upload, t.conn)
}

// A piece is what one system call or a few may move before progress is noted:
// small enough that a slow connection shows life, large enough to cost nothing.
const (
	firstPiece = 64 << 10
	maxPiece   = 8 << 20
	pieceTime  = time.Second
)

func (t *transfer) copy(dst io.Writer, src io.Reader) error {
	piece := int64(firstPiece)
	for {
		began := time.Now()
		n, err := copyPiece(dst, src, piece)
		t.bytes.Add(n)
		if err != nil {
			return err
		}
		if n < piece {
			return nil
		}
		switch took := time.Since(began); {
		case took > pieceTime:
			piece = max(piece/2, firstPiece/4)
		case took < pieceTime/8:
			piece = min(piece*2, maxPiece)
		}
	}
}

// copyPiece copies up to n bytes; fewer without an error is the end. The
// destination does the reading where it can: that is where the kernel's own
// copying is.
func copyPiece(dst io.Writer, src io.Reader, n int64) (int64, error) {
	limited := io.LimitedReader{R: src, N: n}
	if r, ok := dst.(io.ReaderFrom); ok {
		return r.ReadFrom(&limited)
	}
	return io.Copy(dst, &limited)
}

// hangUp ends the data connection. A download that broke off must not look like
// one that ended, so it is reset.
func (t *transfer) hangUp() {
	if t.err != nil && t.file.upload == nil {
		reset(t.conn)
	}
	t.conn.Close()
}

func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *net.TCPConn:
		c.SetLinger(0)
		c.Close()
	case interface{ NetConn() net.Conn }: // under TLS, or lenient about it
		reset(c.NetConn())
	}
}

// giveUp makes the transfer end soon.
func (t *transfer) giveUp() {
	t.given.Store(true)
	t.conn.SetDeadline(time.Unix(1, 0))
}

// event describes the transfer, after it finished.
func (t *transfer) event(kind EventKind, err error) Event {
	return Event{
		Kind: kind, Path: "/" + t.file.name, Bytes: t.bytes.Load(), Duration: t.duration, ASCII: t.ascii, Err: err,
	}
}

// counted is a connection that counts what crosses it.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}
