package ftptest

import (
	"wasiftp/module/ftp"
	"wasiftp/wasi"
	"wasiftp/wasi/digest"
)

// Hash begins to hash a file, and tells the hash once it is made.
func (w *World) Hash(file ftp.Handle, algorithm wasi.Algorithm, length int64, b []byte) ([]byte, error) {
	u, ok := get[*openFile](w, "Hash", file)
	switch {
	case !ok:
		return b, ftp.ErrStorage
	case u.over:
		return u.sum.Sum(b), nil
	case u.sum != nil:
		w.broken("Hash: before it is made")
		return b, ftp.ErrStorage
	}
	u.sum, u.source = digest.New(algorithm), u.data
	if length > 0 {
		u.source = u.data[:min(int(length), len(u.data))]
	}
	w.transfers = append(w.transfers, u)
	return b, ftp.ErrAgain
}

// sourcePiece is how many bytes are hashed or copied in a round.
const sourcePiece = 1000

// moveSource hashes or copies the next bytes of a file.
func (w *World) moveSource(u *openFile) bool {
	n := min(len(u.source), sourcePiece)
	if u.copies {
		u.data = append(u.data, u.source[:n]...)
	} else {
		u.sum.Write(u.source[:n])
	}
	u.source = u.source[n:]
	u.moved += uint64(n)
	if n == 0 {
		w.over(u, nil)
	}
	return true
}
