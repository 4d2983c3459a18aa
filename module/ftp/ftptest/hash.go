package ftptest

import (
	"wasiftp/module/ftp"
	"wasiftp/wasi"
	"wasiftp/wasi/digest"
)

// hashPiece is how many bytes are hashed in a round.
const hashPiece = 1000

// Hash hashes a file.
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
	u.sum = digest.New(algorithm)
	if length > 0 {
		u.data = u.data[:min(int(length), len(u.data))]
	}
	w.transfers = append(w.transfers, u)
	return b, ftp.ErrAgain
}

func (w *World) moveHash(u *openFile) bool {
	n := min(len(u.data), hashPiece)
	u.sum.Write(u.data[:n])
	u.data = u.data[n:]
	u.moved += uint64(n)
	if n == 0 {
		w.over(u, nil)
	}
	return true
}
