package standalone

import (
	"hash"
	"slices"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
	"wasiftp/wasi/digest"
)

// hashPiece is how many bytes of each file are hashed in one turn of the loop, so that
// sessions need not wait for a large file.
const hashPiece = 64 << 10

// sum is the hash of a file as far as it is computed.
type sum struct {
	hash.Hash
	left int64  // bytes still to be hashed; below 0 for all to the end of the file
	done uint64 // bytes hashed
}

// Hash implements [ftp.Hasher].
func (w *world) Hash(h ftp.Handle, algorithm wasi.Algorithm, length int64, b []byte) ([]byte, error) {
	f, ok := w.objects[h].(*openFile)
	switch {
	case !ok || f.reader == nil:
		return b, ftp.ErrStorage
	case f.sum != nil:
		return f.sum.Sum(b), nil
	}
	if length == 0 {
		length = -1
	}
	f.sum = &sum{Hash: digest.New(algorithm), left: length}
	w.hashing = append(w.hashing, f)
	return b, ftp.ErrAgain
}

// Progress implements [ftp.Hasher].
func (w *world) Progress(h ftp.Handle) uint64 {
	if f, ok := w.objects[h].(*openFile); ok && f.sum != nil {
		return f.sum.done
	}
	return 0
}

// hash hashes the next piece of each file in w.hashing.
func (w *world) hash() {
	w.hashing = slices.DeleteFunc(w.hashing, func(f *openFile) bool {
		ended, err := f.hashPiece(w)
		if ended {
			w.events = append(w.events, ftp.Event{
				Kind: ftp.EventTransfer, Session: f.session.handle, Handle: f.handle, Err: err, Bytes: f.sum.done,
			})
		}
		return ended
	})
}

func (f *openFile) hashPiece(w *world) (ended bool, err error) {
	p := w.piece[:]
	if f.sum.left >= 0 {
		p = p[:min(int64(len(p)), f.sum.left)]
	}
	n := 0
	if len(p) > 0 {
		n, err = w.ReadFile(f.handle, p)
	}
	f.sum.Write(p[:n])
	f.sum.done += uint64(n)
	if f.sum.left >= 0 {
		f.sum.left -= int64(n)
	}
	return n == 0, err
}
