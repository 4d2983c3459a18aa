package host

import (
	"io"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
	"wasiftp/wasi/digest"
)

// transferHash hashes a file, as a transfer without a data connection. A session hashes one
// file at a time, however many its guest asks for.
func (sh *shard) transferHash(a *wasm.Args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	algorithm, length, s := wasi.Algorithm(a.Uint32(1)), a.Int64(2), f.session
	switch {
	case f.reader == nil || f.transfer != nil && f.transfer.hash == nil:
		return wasi.EBADF
	case algorithm >= wasi.HashCount || length < 0:
		return wasi.EINVAL
	case f.transfer != nil:
		return f.transfer.hashed(a)
	case s.working >= maxWorking:
		return wasi.EBUSY
	}
	s.working++
	handle := a.Handle(0)
	t := f.begin(handle, wasi.DoingHash)
	t.algorithm, t.hash, t.length, t.labour = algorithm, digest.New(algorithm), length, s.labour(t.ctx)
	sh.server.work.Go(func() {
		s.hashing.Lock()
		defer s.hashing.Unlock()
		t.run(handle)
		sh.do(func() { s.working-- })
	})
	return wasi.EAGAIN
}

// hashed gives the guest the hash once it is complete.
func (t *transfer) hashed(a *wasm.Args) wasi.Errno {
	if wasi.Algorithm(a.Uint32(1)) != t.algorithm || a.Int64(2) != t.length || len(a.Bytes(3)) < t.hash.Size() {
		return wasi.EINVAL
	}
	select {
	case <-t.finished:
	default:
		return wasi.EAGAIN
	}
	if t.err != nil {
		return wasi.EINVAL
	}
	putUint32(a.Bytes(4), uint32(copy(a.Bytes(3), t.hash.Sum(nil))))
	return wasi.OK
}

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

// digestPiece reads and hashes the next piece. Reading is half of the work, so it needs the
// processor as well.
func (t *transfer) digestPiece() error {
	if err := t.labour.beginFor(diskTime); err != nil {
		return err
	}
	defer t.labour.End()
	piece := conn.WorkPieces.Get().(*[conn.WorkPiece]byte)
	defer conn.WorkPieces.Put(piece)
	room := piece[:]
	if t.length > 0 {
		room = room[:min(int64(len(room)), t.length-t.bytes.Load())]
	}
	n, err := t.file.reader.Read(room)
	t.hash.Write(room[:n])
	t.bytes.Add(int64(n))
	return err
}
