//go:build !linux

package fsbridge

import (
	"errors"
	"io/fs"
)

// Space is how many bytes an upload to a directory could have: not known here.
func (d *Dir) Space(name string) (int64, error) {
	return 0, &fs.PathError{Op: "space", Path: name, Err: errors.ErrUnsupported}
}
