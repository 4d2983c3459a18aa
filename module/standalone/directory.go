package standalone

import (
	"errors"
	"io"
	"io/fs"
	"path"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// openDir is a directory open for listing.
type openDir struct {
	session   *session
	handle    ftp.Handle
	dir       fs.ReadDirFile
	name      string
	namesOnly bool
}

func (d *openDir) end(*world) {
	d.session.disown(d.handle)
	d.dir.Close()
}

// List implements [ftp.Files].
func (w *world) List(h ftp.Handle, name []byte, namesOnly bool) (ftp.Handle, error) {
	s, err := w.files(h, wasi.RightList)
	if err != nil {
		return 0, err
	}
	d := &openDir{session: s, name: string(name), namesOnly: namesOnly}
	info, err := w.dir.Stat(d.name)
	if err != nil {
		return 0, fault(err)
	}
	if !info.IsDir() {
		return 0, ftp.ErrNotDir
	}
	file, err := w.dir.Open(d.name)
	if err != nil {
		return 0, fault(err)
	}
	d.dir = file.(fs.ReadDirFile)
	d.handle = w.add(d, s)
	return d.handle, nil
}

// entriesAtOnce is how many entries of a directory are given at a time.
const entriesAtOnce = 256

// ListNext implements [ftp.Files]. Files that vanish while they are listed are
// left out.
func (w *world) ListNext(h ftp.Handle, yield func(ftp.Entry)) (bool, error) {
	d, ok := w.objects[h].(*openDir)
	if !ok {
		return false, ftp.ErrStorage
	}
	entries, err := d.dir.ReadDir(entriesAtOnce)
	for _, e := range entries {
		if entry, err := w.entry(d, e); err == nil {
			yield(entry)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fault(err)
	}
	return len(entries) > 0, nil
}

func (w *world) entry(d *openDir, e fs.DirEntry) (ftp.Entry, error) {
	entry := ftp.Entry{Name: []byte(e.Name())}
	if d.namesOnly {
		return entry, nil
	}
	info, err := e.Info()
	if err != nil {
		return entry, err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		name := path.Join(d.name, e.Name())
		if target, err := w.dir.ReadLink(name); err == nil {
			entry.Target = []byte(target)
		}
		if end, err := w.dir.Stat(name); err == nil && w.settings.FollowLinks {
			info = end
		}
	}
	entry.FileInfo = fileInfo(info)
	return entry, nil
}
