package host

import (
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"time"

	"wasiftp/wasi"
)

// deflated is a data connection in MODE Z: zlib's format in both directions. One
// goroutine uses it at a time.
type deflated struct {
	net.Conn
	level  int
	stall  time.Duration
	reader io.Reader    // nil until data begin to come
	writer *zlib.Writer // nil until something is written
	reads  bool         // it is the client who writes
	ended  bool
}

// netDeflate compresses a data connection. Whoever transfers then sees it as
// one in the clear, so that all limits count what the file has.
func (sh *shard) netDeflate(a *args) wasi.Errno {
	c, errno := get[*dataConn](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	level := int(a.uint32(1))
	if c.conn == nil || c.shaking || c.compressed() || level > zlib.BestCompression {
		return wasi.EINVAL
	}
	if c.stream.busy() {
		return wasi.EBUSY
	}
	if level == 0 {
		level = zlib.DefaultCompression
	}
	d := &deflated{Conn: c.conn, level: level, stall: sh.server.config.Limits.StallTime}
	c.connected(d, a.handle(0))
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
	if d.reader == nil {
		r, err := zlib.NewReader(d.Conn)
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
	if d.writer == nil {
		if d.writer, err = zlib.NewWriterLevel(d.Conn, d.level); err != nil {
			return 0, err
		}
	}
	return d.writer.Write(p)
}

// finish writes the end of the data.
func (d *deflated) finish() error {
	if _, err := d.Write(nil); err != nil {
		return err
	}
	d.ended = true
	return d.writer.Close()
}

// Close ends the data as well: nobody else ends a listing.
func (d *deflated) Close() error {
	if !d.reads && !d.ended {
		d.SetWriteDeadline(time.Now().Add(d.stall))
		d.finish()
	}
	return d.Conn.Close()
}
