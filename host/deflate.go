package host

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"errors"
	"hash"
	"hash/adler32"
	"io"
	"net"
	"sync"
	"time"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// deflated is a data connection in MODE Z: zlib's format (RFC 1950) in both
// directions. One goroutine uses it at a time.
//
// What is written is compressed piece by piece, each for itself, so that only the
// pieces whose turn it is need a compressor: each takes most of a megabyte. What a
// piece could have repeated of the one before it is lost, some hundredths of it.
type deflated struct {
	net.Conn
	level  int
	stall  time.Duration
	labour *labour
	reader io.Reader   // nil until data begin to come
	piece  []byte      // to be compressed next
	sum    hash.Hash32 // of what was written; nil until something is
	reads  bool        // it is the client who writes
	ended  bool
}

// compressors are [flate.Writer]s, by level.
var compressors [flate.BestCompression + 1]sync.Pool

func compressor(level int) *flate.Writer {
	if w, ok := compressors[level].Get().(*flate.Writer); ok {
		return w
	}
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // netDeflate has checked the level
	}
	return w
}

const (
	defaultLevel    = 6 // zlib's own
	compressedPiece = 16 << 10
)

// zlibHeader says deflate, with a window of 32 KiB, at no level in particular (RFC
// 1950 §2.2).
var zlibHeader = [2]byte{0x78, 0x9c}

// netDeflate compresses a data connection. Whoever transfers then sees it as
// one in the clear, so that all limits count what the file has.
func (sh *shard) netDeflate(a *wasm.Args) wasi.Errno {
	c, errno := get[*dataConn](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	level := int(a.Uint32(1))
	if c.conn == nil || c.shaking || c.compressed() || level > zlib.BestCompression {
		return wasi.EINVAL
	}
	if c.stream.busy() {
		return wasi.EBUSY
	}
	if level == 0 {
		level = defaultLevel
	}
	d := &deflated{
		Conn: c.conn, level: level, stall: sh.server.config.Limits.StallTime, labour: c.session.labour(context.Background()),
	}
	c.connected(d, a.Handle(0))
	return wasi.OK
}

func (c *dataConn) compressed() bool {
	_, is := c.conn.(*deflated)
	return is
}

// NetConn is the connection underneath.
func (d *deflated) NetConn() net.Conn { return d.Conn }

// Read expands. The end of the connection before the end of the data is no end,
// and neither are data that nobody can expand.
func (d *deflated) Read(p []byte) (n int, err error) {
	d.reads = true
	if err := d.labour.begin(); err != nil {
		return 0, err
	}
	defer d.labour.end()
	if d.reader == nil {
		r, err := zlib.NewReader(bufio.NewReaderSize(resting{d.Conn, d.labour}, compressedPiece))
		if err != nil {
			return 0, cutShort(err)
		}
		d.reader = r
	}
	n, err = d.reader.Read(p)
	if err != io.EOF {
		err = cutShort(err)
	}
	return n, err
}

func cutShort(err error) error {
	var corrupt flate.CorruptInputError
	if err == io.EOF || errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary) || errors.As(err, &corrupt) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *deflated) Write(p []byte) (n int, err error) {
	if d.sum == nil {
		d.sum = adler32.New()
		if _, err := d.Conn.Write(zlibHeader[:]); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		room := min(workPiece-len(d.piece), len(p)-n)
		d.piece = append(d.piece, p[n:n+room]...)
		n += room
		if len(d.piece) == workPiece {
			if err := d.send(false); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// finish writes the end of the data.
func (d *deflated) finish() error {
	if _, err := d.Write(nil); err != nil {
		return err
	}
	d.ended = true
	return d.send(true)
}

// send compresses what was written, in its turn, and sends that.
func (d *deflated) send(last bool) error {
	if err := d.labour.begin(); err != nil {
		return err
	}
	out := compressedPieces.Get().(*bytes.Buffer)
	defer compressedPieces.Put(out)
	out.Reset()
	d.compress(out, last)
	d.labour.end()
	d.piece = d.piece[:0]
	_, err := d.Conn.Write(out.Bytes())
	return err
}

var compressedPieces = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// compress appends what was written to out, as blocks that are whole (RFC 1951
// §3.2.3), and behind the last of them what the data sum up to.
func (d *deflated) compress(out *bytes.Buffer, last bool) {
	d.sum.Write(d.piece)
	w := compressor(d.level)
	defer compressors[d.level].Put(w)
	w.Reset(out)
	w.Write(d.piece) // as a buffer takes all, there are no errors
	if !last {
		w.Flush()
		return
	}
	w.Close()
	out.Write(d.sum.Sum(nil))
}

// Close ends the data as well: nobody else ends a listing.
func (d *deflated) Close() error {
	if !d.reads && !d.ended {
		d.SetWriteDeadline(time.Now().Add(d.stall))
		d.finish()
	}
	return d.Conn.Close()
}
