package standalone

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// openFile is a file open for one transfer.
type openFile struct {
	session *session
	handle  ftp.Handle
	reader  fs.File         // of a download, else nil
	upload  fsbridge.Upload // of an upload, else nil
	sum     *sum            // of a file that is hashed, else nil
}

func (f *openFile) end(w *world) {
	w.stopHashing(f)
	f.session.disown(f.handle)
	if f.reader != nil {
		f.reader.Close()
	}
	if f.upload != nil {
		f.upload.Abort()
	}
}

func (s *session) can(right ftp.Rights) bool { return s.rights != 0 && s.rights&right == right }

// files finds a session that has a right.
func (w *world) files(h ftp.Handle, right ftp.Rights) (*session, error) {
	s, ok := w.objects[h].(*session)
	if !ok {
		return nil, ftp.ErrStorage
	}
	if !s.can(right) {
		return nil, ftp.ErrPermission
	}
	return s, nil
}

// visible is what a session may see of a file: an account that can only upload
// still changes directories, but learns nothing of files.
func (w *world) visible(s *session, name string, link bool) (fs.FileInfo, error) {
	describe := w.dir.Stat
	if link {
		describe = w.dir.Lstat
	}
	info, err := describe(name)
	if err == nil && !info.IsDir() && !s.can(wasi.RightList) && !s.can(wasi.RightRead) {
		return nil, fs.ErrPermission
	}
	return info, err
}

// Stat implements [ftp.Files].
func (w *world) Stat(h ftp.Handle, name []byte, link bool) (ftp.FileInfo, error) {
	s, err := w.files(h, 0)
	if err != nil {
		return ftp.FileInfo{}, err
	}
	info, err := w.visible(s, string(name), link)
	if err != nil {
		return ftp.FileInfo{}, fault(err)
	}
	return fileInfo(info), nil
}

// Enter implements [ftp.Enterer].
func (w *world) Enter(h ftp.Handle, name []byte) error {
	s, err := w.files(h, 0)
	if err != nil {
		return err
	}
	info, err := w.visible(s, string(name), false)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = w.dir.Enter(string(name))
	}
	return fault(err)
}

// fileInfo is what the engine knows of a file. WASI has no permissions: those are
// what new files mostly have elsewhere.
func fileInfo(info fs.FileInfo) ftp.FileInfo {
	kind, mode := ftp.Other, uint32(0o644)
	switch info.Mode().Type() {
	case 0:
		kind = ftp.Regular
	case fs.ModeDir:
		kind, mode = ftp.Dir, 0o755
	case fs.ModeSymlink:
		kind = ftp.Link
	}
	return ftp.FileInfo{
		ModTime: unixNano(info.ModTime()), Size: uint64(max(info.Size(), 0)), Type: kind, Mode: mode, Links: 1,
	}
}

// unixNano is a time in ns since 1970, 0 for one that int64 cannot hold.
func unixNano(t time.Time) int64 {
	if t.Year() < 1679 || t.Year() > 2261 {
		return 0
	}
	return t.UnixNano()
}

// Open implements [ftp.Files].
func (w *world) Open(h ftp.Handle, name []byte, mode ftp.OpenMode, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	right := ftp.Rights(wasi.RightWrite)
	if mode == ftp.OpenRead {
		right = wasi.RightRead
	}
	s, err := w.files(h, right)
	if err != nil {
		return 0, ftp.FileInfo{}, err
	}
	f := &openFile{session: s}
	var info ftp.FileInfo
	if mode == ftp.OpenRead {
		info, err = f.open(w.dir, string(name), offset)
	} else {
		info, err = f.create(w.dir, string(name), mode, offset)
	}
	if err != nil {
		return 0, info, fault(err)
	}
	f.handle = w.add(f, s)
	return f.handle, info, nil
}

func (f *openFile) open(dir *fsbridge.Dir, name string, offset int64) (ftp.FileInfo, error) {
	file, err := dir.Open(name)
	if err != nil {
		return ftp.FileInfo{}, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if seeker, ok := file.(io.Seeker); ok && err == nil {
		_, err = seeker.Seek(offset, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return ftp.FileInfo{}, err
	}
	f.reader = file
	return fileInfo(info), nil
}

// create opens an upload. Whoever may not delete may not replace or overwrite
// either, only make new files and add to the end of old ones.
func (f *openFile) create(dir *fsbridge.Dir, name string, mode ftp.OpenMode, offset int64) (info ftp.FileInfo, err error) {
	if there, err := dir.Stat(name); err == nil {
		info = fileInfo(there)
		if there.IsDir() {
			return info, syscall.EISDIR
		}
	}
	flag, guarded := 0, false
	switch mode {
	case ftp.OpenUnique:
		flag = os.O_EXCL
	case ftp.OpenAppend:
		flag, offset = os.O_APPEND, 0
	case ftp.OpenReplace:
		flag, offset = os.O_TRUNC, 0
		if guarded = !f.session.can(wasi.RightDelete); guarded {
			flag = os.O_EXCL
		}
	default:
		if uint64(offset) > info.Size {
			return info, syscall.EINVAL
		}
		if uint64(offset) < info.Size && !f.session.can(wasi.RightDelete) {
			return info, fs.ErrPermission
		}
	}
	f.upload, err = dir.Create(name, flag, offset, nil)
	if guarded && errors.Is(err, fs.ErrExist) {
		err = fs.ErrPermission
	}
	return info, err
}

// ReadFile implements [ftp.Streams].
func (w *world) ReadFile(h ftp.Handle, p []byte) (int, error) {
	f, ok := w.objects[h].(*openFile)
	if !ok || f.reader == nil {
		return 0, ftp.ErrStorage
	}
	n, err := f.reader.Read(p)
	if n > 0 || err == io.EOF {
		return n, nil
	}
	return 0, fault(err)
}

// WriteFile implements [ftp.Streams].
func (w *world) WriteFile(h ftp.Handle, p []byte) (int, error) {
	f, ok := w.objects[h].(*openFile)
	if !ok || f.upload == nil {
		return 0, ftp.ErrStorage
	}
	n, err := f.upload.Write(p)
	return n, fault(err)
}

// Commit implements [ftp.Files].
func (w *world) Commit(h ftp.Handle) error {
	f, ok := w.objects[h].(*openFile)
	if !ok || f.upload == nil {
		return ftp.ErrStorage
	}
	err := f.upload.Commit()
	if err == nil {
		f.session.disown(h)
		delete(w.objects, h)
	}
	f.upload = nil
	return fault(err)
}

// Mkdir implements [ftp.Files].
func (w *world) Mkdir(h ftp.Handle, name []byte) error {
	if _, err := w.files(h, wasi.RightMkdir); err != nil {
		return err
	}
	return fault(w.dir.Mkdir(string(name), nil))
}

// RemoveFile implements [ftp.Files].
func (w *world) RemoveFile(h ftp.Handle, name []byte) error { return w.remove(h, string(name), false) }

// RemoveDir implements [ftp.Files].
func (w *world) RemoveDir(h ftp.Handle, name []byte) error { return w.remove(h, string(name), true) }

func (w *world) remove(h ftp.Handle, name string, dir bool) error {
	if _, err := w.files(h, wasi.RightDelete); err != nil {
		return err
	}
	// Whoever may delete a file may know its kind, which the storage does not
	// ask about.
	info, err := w.dir.Lstat(name)
	switch {
	case err != nil:
		return fault(err)
	case name == ".":
		return ftp.ErrPermission
	case dir && !info.IsDir():
		return ftp.ErrNotDir
	case !dir && info.IsDir():
		return ftp.ErrIsDir
	}
	return fault(w.dir.Remove(name))
}

// Rename implements [ftp.Files].
func (w *world) Rename(h ftp.Handle, from, to []byte) error {
	s, err := w.files(h, wasi.RightRename)
	if err != nil {
		return err
	}
	if _, err := w.dir.Lstat(string(to)); err == nil && !s.can(wasi.RightDelete) && string(from) != string(to) {
		return ftp.ErrPermission
	}
	return fault(w.dir.Rename(context.Background(), string(from), string(to)))
}

// SetTime implements [ftp.Files].
func (w *world) SetTime(h ftp.Handle, name []byte, mtime int64) error {
	if _, err := w.files(h, wasi.RightWrite); err != nil {
		return err
	}
	return fault(w.dir.Chtimes(string(name), time.Unix(0, mtime)))
}

// SetMode implements [ftp.Files]: WASI has no permissions.
func (w *world) SetMode(h ftp.Handle, _ []byte, _ uint32) error {
	if _, err := w.files(h, wasi.RightWrite); err != nil {
		return err
	}
	return ftp.ErrUnsupported
}
