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

// pageEntries is how many entries ListNext reads at most. Other sessions wait meanwhile.
const pageEntries = 256

// ListNext implements [ftp.Files].
func (w *world) ListNext(h ftp.Handle, yield func(*ftp.Entry)) (bool, error) {
	d, ok := w.objects[h].(*openDir)
	if !ok {
		return false, ftp.ErrStorage
	}
	for i := range pageEntries {
		e, err := d.Next()
		switch {
		case err == nil:
			yield(&ftp.Entry{FileInfo: ftp.FileInfoOf(e.Stat), Name: []byte(e.Name), Target: []byte(e.Target)})
		case i > 0: // the next call returns this error
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		default:
			return false, fault(err)
		}
	}
	return true, nil
}
