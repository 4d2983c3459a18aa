package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// flush writes a file to the disk. It does not fail on a file system that cannot do so.
func (d *Dir) flush(file *os.File) error {
	err := d.syncFile(file)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// flushNames writes the names in a folder to the disk. A folder that may not be read
// cannot be flushed: then flushNames flushes the file named, which has got its name
// there, if it is not nil.
func (d *Dir) flushNames(folder parent, named *os.File) error {
	dir, err := folder.openFile(".", os.O_RDONLY, 0)
	switch {
	case err == nil:
		defer dir.Close()
		if err = d.flush(dir); errors.Is(err, fs.ErrPermission) { // Windows
			return nil
		}
		return err
	case !errors.Is(err, fs.ErrPermission):
		return err
	case named != nil:
		return d.flush(named)
	}
	return nil
}
