package conn

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"hash"
	"hash/adler32"
	"io"
	"net"
	"sync"
	"time"
)

// Deflated is a data connection in MODE Z: zlib's format (RFC 1950) in both
// directions. One goroutine uses it at a time.
//
// What is written is compressed piece by piece, each for itself, so that only the
// pieces whose turn it is need a compressor: each takes most of a megabyte. What a
// piece could have repeated of the one before it is lost, some hundredths of it.
type Deflated struct {
	net.Conn
	Level  int           // of zlib's, 1 to 9
	Stall  time.Duration // how long a client may take for the end of a listing
	Labour Labour

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
		panic(err) // the caller has checked the level
	}
	return w
}

const compressedPiece = 16 << 10

// zlibHeader says deflate, with a window of 32 KiB, at no level in particular (RFC
// 1950 §2.2).
var zlibHeader = [2]byte{0x78, 0x9c}

// NetConn is the connection underneath.
func (d *Deflated) NetConn() net.Conn { return d.Conn }

// Read expands. The end of the connection before the end of the data is no end,
// and neither are data that nobody can expand.
func (d *Deflated) Read(p []byte) (n int, err error) {
	d.reads = true
	if err := d.Labour.Begin(); err != nil {
		return 0, err
	}
	defer d.Labour.End()
	if d.reader == nil {
		r, err := zlib.NewReader(bufio.NewReaderSize(resting{d.Conn, d.Labour}, compressedPiece))
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
	if err == io.EOF || errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) ||
		errors.Is(err, zlib.ErrDictionary) || errors.As(err, &corrupt) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *Deflated) Write(p []byte) (n int, err error) {
	if d.sum == nil {
		d.sum = adler32.New()
		if _, err := d.Conn.Write(zlibHeader[:]); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		room := min(WorkPiece-len(d.piece), len(p)-n)
		d.piece = append(d.piece, p[n:n+room]...)
		n += room
		if len(d.piece) == WorkPiece {
			if err := d.send(false); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Finish writes the end of the data.
func (d *Deflated) Finish() error {
	if _, err := d.Write(nil); err != nil {
		return err
	}
	d.ended = true
	return d.send(true)
}

// send compresses what was written, in its turn, and sends that.
func (d *Deflated) send(last bool) error {
	if err := d.Labour.Begin(); err != nil {
		return err
	}
	out := compressedPieces.Get().(*bytes.Buffer)
	defer compressedPieces.Put(out)
	out.Reset()
	d.compress(out, last)
	d.Labour.End()
	d.piece = d.piece[:0]
	_, err := d.Conn.Write(out.Bytes())
	return err
}

var compressedPieces = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// compress appends what was written to out, as blocks that are whole (RFC 1951
// §3.2.3), and behind the last of them what the data sum up to.
func (d *Deflated) compress(out *bytes.Buffer, last bool) {
	d.sum.Write(d.piece)
	w := compressor(d.Level)
	defer compressors[d.Level].Put(w)
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
func (d *Deflated) Close() error {
	if !d.reads && !d.ended {
		d.SetWriteDeadline(time.Now().Add(d.Stall))
		d.Finish()
	}
	return d.Conn.Close()
}

// Labour is work that keeps a processor busy, which is shared out: it is done between
// Begin, which waits for a turn, and End.
type Labour interface {
	Begin() error
	End()
}

// resting is what comes over a connection: reading it gives the processor
// up while it waits for the network.
type resting struct {
	io.Reader
	labour Labour
}

func (r resting) Read(p []byte) (int, error) {
	r.labour.End()
	n, err := r.Reader.Read(p)
	if e := r.labour.Begin(); err == nil {
		err = e
	}
	return n, err
}

// WorkPiece is how much of a file is hashed or compressed in one turn, and how much
// of an upload under TLS is written at a time.
const WorkPiece = 128 << 10

// WorkPieces are buffers for that.
var WorkPieces = sync.Pool{New: func() any { return new([WorkPiece]byte) }}
