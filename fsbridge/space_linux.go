package fsbridge

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Space is how many bytes an upload to a directory could have.
func (d *Dir) Space(name string) (int64, error) {
	if err := check("space", name); err != nil {
		return 0, err
	}
	file, _, err := d.openFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, d.fault("space", name, err)
	}
	defer file.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
		return 0, d.fault("space", name, err)
	}
	return int64(min(stat.Bavail*uint64(stat.Bsize), math.MaxInt64)), nil
}
