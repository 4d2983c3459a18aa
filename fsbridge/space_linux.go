package fsbridge

import (
	"errors"
	"math"
	"math/bits"

	"golang.org/x/sys/unix"
)

// Space is how many bytes an upload to a directory could have.
func (d *Dir) Space(name string) (int64, error) {
	if err := check("space", name); err != nil {
		return 0, err
	}
	file, err := d.open(name, unix.O_PATH, 0) // it need not be readable
	if err != nil {
		return 0, d.fault("space", name, err)
	}
	defer file.Close()
	var stat unix.Statfs_t
	err = again(func() error { return unix.Fstatfs(int(file.Fd()), &stat) })
	if err == nil && stat.Blocks == 0 {
		err = errors.ErrUnsupported // some file systems do not tell, FUSE ones among them
	}
	return spaceOf(&stat), d.fault("space", name, err)
}

// spaceOf counts in fragments (f_frsize): the block size (f_bsize) of network and FUSE
// file systems is only the best size of a read or write.
func spaceOf(stat *unix.Statfs_t) int64 {
	most, free := bits.Mul64(stat.Bavail, uint64(stat.Frsize))
	if most > 0 || free > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(free)
}
