package host

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// smallFile is the content of a small file that was read, and closed, where it was opened:
// on a goroutine that may wait for the disk. So the shard can send it without one.
type smallFile struct {
	bytes.Reader
	info   fs.FileInfo
	buffer *smallBuffer
	server *Server
}

const (
	// maxSmall is the most bytes of a small file.
	maxSmall = 16 << 10

	// mostSmall bounds the bytes of small files that wait for their data connections.
	mostSmall = 16 << 20
)

// smallBuffer has room for one byte more: that a file has it shows that it has grown.
type smallBuffer [maxSmall + 1]byte

var smallBuffers = sync.Pool{New: func() any { return new(smallBuffer) }}

// small reads file from offset and closes it. It returns file itself if that is not small,
// or not one of the system's.
func (s *Server) small(file fs.File, info fs.FileInfo, offset int64) fs.File {
	regular, ok := file.(*os.File)
	if !ok || !info.Mode().IsRegular() || info.Size()-offset > maxSmall {
		return file
	}
	if s.smallBytes.Add(maxSmall) > mostSmall {
		s.smallBytes.Add(-maxSmall)
		return file
	}
	f := &smallFile{info: info, buffer: smallBuffers.Get().(*smallBuffer), server: s}
	n, err := io.ReadFull(regular, f.buffer[:max(info.Size()-offset, 0)+1])
	if err != io.EOF && err != io.ErrUnexpectedEOF { // it has grown, or the transfer will meet the error
		f.Close()
		regular.Seek(offset, io.SeekStart)
		return file
	}
	regular.Close()
	f.Reset(f.buffer[:n])
	return f
}

// Stat implements [fs.File].
func (f *smallFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements [fs.File].
func (f *smallFile) Close() error {
	f.Reset(nil)
	smallBuffers.Put(f.buffer)
	f.server.smallBytes.Add(-maxSmall)
	return nil
}

// sendSmall sends a small file, if the data connection takes all of it at once. What that
// has taken otherwise is counted, and the rest is left to run.
func (t *transfer) sendSmall(c *dataConn, handle uint32) (done bool) {
	f, ok := t.file.reader.(*smallFile)
	if !ok || t.ascii || c.tls != nil || c.deflated != nil {
		return false
	}
	size := f.Len()
	if t.length > 0 {
		size = int(min(int64(size), t.length))
	}
	at := int(f.Size()) - f.Len()
	n := c.stream.Try(f.buffer[at : at+size])
	f.Seek(int64(n), io.SeekCurrent)
	t.bytes.Add(int64(n))
	if n < size {
		return false
	}
	c.end()
	t.cancel()
	t.duration = time.Since(t.began)
	t.finish(handle)
	return true
}
