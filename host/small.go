package host

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// smallFile is the content of a small file that was read, and closed, where it was opened.
// So the shard can send it without a goroutine.
type smallFile struct {
	bytes.Reader
	info   fs.FileInfo
	buffer *smallBuffer
	server *Server
}

const (
	maxSmall       = 16 << 10 // bytes of a small download
	maxSmallUpload = 64 << 10 // bytes of a small upload

	// mostSmall bounds the bytes of small downloads that wait for their data connections,
	// and those of small uploads that wait for the disk.
	mostSmall = 16 << 20
)

// reserveSmall takes n bytes of mostSmall. It returns false if there are not so many left.
func (s *Server) reserveSmall(n int64) bool {
	if s.smallBytes.Add(n) > mostSmall {
		s.smallBytes.Add(-n)
		return false
	}
	return true
}

// smallBuffer has room for one byte more: that a file has it shows that it has grown.
type smallBuffer [maxSmall + 1]byte

var smallBuffers = sync.Pool{New: func() any { return new(smallBuffer) }}

// newSmall makes a smallFile without content. It returns nil if too much waits already.
func (s *Server) newSmall() *smallFile {
	if !s.reserveSmall(maxSmall) {
		return nil
	}
	return &smallFile{buffer: smallBuffers.Get().(*smallBuffer), server: s}
}

// small reads file from offset and closes it. It returns file itself if that is not small,
// or not one of the system's.
func (s *Server) small(file fs.File, info fs.FileInfo, offset int64) fs.File {
	regular, ok := file.(*os.File)
	if !ok || !info.Mode().IsRegular() || info.Size()-offset > maxSmall {
		return file
	}
	f := s.newSmall()
	if f == nil {
		return file
	}
	n, err := io.ReadFull(regular, f.buffer[:max(info.Size()-offset, 0)+1])
	if err != io.EOF && err != io.ErrUnexpectedEOF { // it has grown, or the transfer will meet the error
		f.Close()
		regular.Seek(offset, io.SeekStart)
		return file
	}
	regular.Close()
	f.info = info
	f.Reset(f.buffer[:n])
	return f
}

// openCached opens a small download or an upload at once, if that needs nothing but what the
// system has in memory; else it returns nil, and the file is to be asked for.
func (s *session) openCached(files *fsbridge.Access, name string, flags uint32, offset int64) (f *openFile, is wasi.Stat) {
	const store = wasi.OpenWrite | wasi.OpenTruncate
	if hooks := &s.config.Hooks; hooks.BeforeUpload != nil && flags != 0 || hooks.BeforeDownload != nil && flags == 0 {
		return nil, is
	}
	if flags != 0 && flags != store || s.asked != nil || !s.settled() || !s.server.threads.open.Try(s.user()) {
		return nil, is
	}
	f = &openFile{session: s, user: s.user(), folder: s.folder(), name: name}
	if flags == store && f.createCached(files, &is) || flags == 0 && f.readCached(files, offset, &is) {
		return f, is
	}
	s.server.threads.open.Leave(s.user())
	return nil, is
}

func (f *openFile) readCached(files *fsbridge.Access, offset int64, is *wasi.Stat) bool {
	small := f.session.server.newSmall()
	if small == nil {
		return false
	}
	info, n, ok := files.ReadCached(f.name, offset, small.buffer[:])
	if !ok {
		small.Close()
		return false
	}
	small.info = info
	small.Reset(small.buffer[:n])
	f.offset, f.reader, *is = offset, small, fsbridge.StatOf(info)
	return true
}

func (f *openFile) createCached(files *fsbridge.Access, was *wasi.Stat) bool {
	upload, there, ok := files.CreateCached(f.name, f.session.permissions(0o666))
	if !ok {
		return false
	}
	if f.upload = upload; there != nil {
		*was = fsbridge.StatOf(there)
	}
	f.about = Upload{Path: "/" + f.name}
	f.session.server.uploads.add(f)
	return true
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
	if !t.throttle.spares(int64(size)) {
		return false
	}
	at := int(f.Size()) - f.Len()
	n := c.stream.Try(f.buffer[at : at+size])
	f.Seek(int64(n), io.SeekCurrent)
	t.bytes.Add(int64(n))
	t.throttle.moved(int64(n))
	if n < size {
		return false
	}
	t.conclude(c, handle, nil)
	return true
}

// conclude ends a transfer that has no goroutine.
func (t *transfer) conclude(c *dataConn, handle uint32, err error) {
	c.end()
	t.cancel()
	t.err, t.duration = err, time.Since(t.began)
	t.finish(handle)
}

// smallUpload is an upload that the shard receives itself, while it is small and its bytes
// come without a pause. They are written where the upload is committed.
type smallUpload struct {
	from     *dataConn
	handle   uint32                // of the file
	buffer   *[maxSmallUpload]byte // nil before the first byte, and once it is written
	n        int                   // bytes in buffer
	patience *time.Timer           // nil before the first pause
}

// pauseTime is how long after the first pause a small upload may yet be received by the
// shard.
const pauseTime = 10 * time.Millisecond

var uploadBuffers = sync.Pool{New: func() any { return new([maxSmallUpload]byte) }}

// receiveSmall has the shard receive an upload, as long as that is small. It returns false
// if the shard cannot. A hidden upload is left to run, which may have to wait before its end
// counts (see doubt), and so is one to an embedder's storage.
func (t *transfer) receiveSmall(c *dataConn, handle uint32) bool {
	if !fsbridge.InPlace(t.file.upload) || t.ascii || t.length > 0 || c.tls != nil || c.deflated != nil ||
		!t.throttle.spares(maxSmallUpload) {
		return false
	}
	t.small = &smallUpload{from: c, handle: handle}
	shard := t.file.session.shard
	if !c.stream.Await(func() { shard.do(t.receive) }) {
		t.small = nil
		return false
	}
	return true
}

// receive takes the bytes that have come. A larger or slower upload goes on in run.
func (t *transfer) receive() {
	p, s := t.small, t.file.session
	if t.conn != nil || t.over() {
		return
	}
	if p.buffer == nil && s.server.reserveSmall(maxSmallUpload) {
		p.buffer = uploadBuffers.Get().(*[maxSmallUpload]byte)
	}
	for p.buffer != nil && p.n < maxSmallUpload {
		n, err := p.from.stream.Take(p.buffer[p.n:])
		p.n += n
		t.bytes.Add(int64(n))
		t.throttle.moved(int64(n))
		switch {
		case err == syscall.EAGAIN:
			if p.patience == nil {
				p.patience = time.AfterFunc(pauseTime, func() { s.shard.do(t.hurry) })
			}
			return
		case err == io.EOF && s.stream.HungUp(): // see run
			t.hurry()
			return
		case err == io.EOF:
			t.conclude(p.from, p.handle, nil)
			return
		case err != nil:
			t.conclude(p.from, p.handle, err)
			return
		}
	}
	t.hurry()
}

// hurry has a goroutine receive the rest of the upload.
func (t *transfer) hurry() {
	if t.conn == nil && !t.over() {
		t.depart(t.small.from, t.small.handle)
	}
}

// store writes the bytes that the shard has received.
func (t *transfer) store() error {
	if t == nil || t.small == nil || t.small.buffer == nil {
		return nil
	}
	p := t.small
	defer func() {
		uploadBuffers.Put(p.buffer)
		p.buffer = nil
		t.file.session.server.smallBytes.Add(-maxSmallUpload)
	}()
	_, err := t.file.upload.Write(p.buffer[:p.n])
	return err
}
