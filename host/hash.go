package host

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
	"io"

	"wasiftp/wasi"
)

var hashes = [wasi.HashCount]func() hash.Hash{
	wasi.HashSHA256: sha256.New, wasi.HashSHA512: sha512.New, wasi.HashSHA1: sha1.New, wasi.HashMD5: md5.New,
	wasi.HashCRC32: func() hash.Hash { return crc32.NewIEEE() },
}

// transferHash hashes a file: a transfer whose bytes go nowhere. A session's
// hashes are made one after the other, however many its guest wants.
func (sh *shard) transferHash(a *args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	algorithm, length, s := a.uint32(1), a.int64(2), f.session
	switch {
	case f.reader == nil || f.transfer != nil:
		return wasi.EBADF
	case algorithm >= wasi.HashCount || length < 0:
		return wasi.EINVAL
	case s.working >= maxWorking:
		return wasi.EBUSY
	}
	s.working++
	handle := a.handle(0)
	t := f.begin(handle, wasi.DoingHash)
	t.hash, t.length, t.labour = hashes[algorithm](), length, s.labour(t.ctx)
	sh.server.work.Go(func() {
		s.hashing.Lock()
		defer s.hashing.Unlock()
		t.run(handle)
		sh.do(func() { s.working-- })
	})
	return wasi.OK
}

// digest hashes the file.
func (t *transfer) digest() error {
	for t.length == 0 || t.bytes.Load() < t.length {
		err := t.digestPiece()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// digestPiece hashes what comes next. Reading is half of the work, and so is done in
// the same turn.
func (t *transfer) digestPiece() error {
	if err := t.labour.beginFor(diskTime); err != nil {
		return err
	}
	defer t.labour.end()
	piece := workPieces.Get().(*[workPiece]byte)
	defer workPieces.Put(piece)
	room := piece[:]
	if t.length > 0 {
		room = room[:min(int64(len(room)), t.length-t.bytes.Load())]
	}
	n, err := t.file.reader.Read(room)
	t.hash.Write(room[:n])
	t.bytes.Add(int64(n))
	return err
}

func (sh *shard) transferDigest(a *args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	if f.transfer == nil || f.transfer.hash == nil || len(a.bytes(1)) < f.transfer.hash.Size() {
		return wasi.EINVAL
	}
	select {
	case <-f.transfer.finished:
	default:
		return wasi.EBUSY
	}
	digest := f.transfer.hash.Sum(nil)
	putUint32(a.bytes(2), uint32(copy(a.bytes(1), digest)))
	return wasi.OK
}
