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
// A compressor takes most of a megabyte. So the data are cut into pieces that are
// compressed each for itself, and a connection holds a compressor only for its turn. The
// output grows by some hundredths, as no piece can refer to the one before it.
type Deflated struct {
	net.Conn
	Level  int           // of compression, 1 to 9
	Stall  time.Duration // how long Close waits for the client to take the end of the data
	Labour Labour

	reader io.Reader   // nil before the first Read
	piece  []byte      // written and not yet compressed
	sum    hash.Hash32 // of all that was written; nil before the first Write
	reads  bool        // the client is the one who sends
	ended  bool        // the end of the data is written
}

// compressors are [flate.Writer]s for reuse, by level.
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

// zlibHeader says deflate with a window of 32 KiB and the default level (RFC 1950 §2.2).
var zlibHeader = [2]byte{0x78, 0x9c}

// NetConn is the connection beneath.
func (d *Deflated) NetConn() net.Conn { return d.Conn }

// Read gives the data expanded. Its error is io.ErrUnexpectedEOF if the connection ends
// before the data do, or if they are no valid zlib.
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

// Finish sends what was written, and the end of the data.
func (d *Deflated) Finish() error {
	if _, err := d.Write(nil); err != nil {
		return err
	}
	d.ended = true
	return d.send(true)
}

// send compresses the piece, once it has its turn, and sends the result.
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

// compress appends the piece to out as whole blocks (RFC 1951 §3.2.3), and the checksum of
// all data behind the last one.
func (d *Deflated) compress(out *bytes.Buffer, last bool) {
	d.sum.Write(d.piece)
	w := compressor(d.Level)
	defer compressors[d.Level].Put(w)
	w.Reset(out)
	w.Write(d.piece) // no error: a buffer takes all
	if !last {
		w.Flush()
		return
	}
	w.Close()
	out.Write(d.sum.Sum(nil))
}

// Close ends the data as well, because a listing has no other end.
func (d *Deflated) Close() error {
	if !d.reads && !d.ended {
		d.SetWriteDeadline(time.Now().Add(d.Stall))
		d.Finish()
	}
	return d.Conn.Close()
}

// Labour hands out the turns of work that keeps a processor busy: Begin waits for a turn,
// and End gives it back.
type Labour interface {
	Begin() error
	End()
}

// resting reads from the network, and gives the turn up while it waits.
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

// WorkPiece is how many bytes of a file are hashed or compressed in one turn.
const WorkPiece = 128 << 10

// WorkPieces are buffers of that size.
var WorkPieces = sync.Pool{New: func() any { return new([WorkPiece]byte) }}
