package standalone

import (
	"errors"
	"io"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
)

// openDir is a directory open for listing.
type openDir struct {
	*fsbridge.Listing
	session *session
	handle  ftp.Handle
}

func (d *openDir) end(*world) {
	d.session.disown(d.handle)
	d.Close()
}

// List implements [ftp.Files].
func (w *world) List(h ftp.Handle, name []byte, namesOnly bool) (ftp.Handle, error) {
	s, err := w.files(h)
	if err != nil {
		return 0, err
	}
	listing, err := s.files.List(string(name), namesOnly)
	if err != nil {
		return 0, fault(err)
	}
	d := &openDir{Listing: listing, session: s}
	d.handle = w.add(d, s)
	return d.handle, nil
}

// ListNext implements [ftp.Files].
func (w *world) ListNext(h ftp.Handle, yield func(ftp.Entry)) (bool, error) {
	d, ok := w.objects[h].(*openDir)
	if !ok {
		return false, ftp.ErrStorage
	}
	entries, err := d.Next()
	for _, e := range entries {
		if stat, target, err := d.Describe(e); err == nil {
			yield(ftp.Entry{FileInfo: ftp.FileInfoOf(stat), Name: []byte(e.Name()), Target: []byte(target)})
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fault(err)
	}
	return len(entries) > 0, nil
}
