package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// flush brings a file to the disk. File systems that know no such thing have
// nothing to say here.
func (d *Dir) flush(file *os.File) error {
	err := d.syncFile(file)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// flushNames brings the names in a folder to the disk. Of one that must not be read,
// to flush a file again that has got its name there is all that can be done.
func (d *Dir) flushNames(folder parent, named *os.File) error {
	dir, err := folder.openFile(".", os.O_RDONLY, 0)
	switch {
	case err == nil:
		defer dir.Close()
		err = d.flush(dir)
		if errors.Is(err, fs.ErrPermission) { // Windows
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
