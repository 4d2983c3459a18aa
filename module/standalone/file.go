package standalone

import (
	"context"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/wasi/errno"
)

// fault is the engine's error for one of the storage, nil for nil.
func fault(err error) error { return ftp.Fault(errno.Of(err)) }

// openFile is a file open for one transfer.
type openFile struct {
	session *session
	handle  ftp.Handle
	reader  fs.File         // of a download, else nil
	upload  fsbridge.Upload // of an upload, else nil
	sum     *sum            // of a file that is being hashed, else nil
}

func (f *openFile) end(w *world) {
	w.hashing = slices.DeleteFunc(w.hashing, func(other *openFile) bool { return other == f })
	f.session.disown(f.handle)
	if f.reader != nil {
		f.reader.Close()
	}
	if f.upload != nil {
		f.upload.Abort()
	}
}

// files finds a session that is logged in.
func (w *world) files(h ftp.Handle) (*session, error) {
	s, ok := w.objects[h].(*session)
	if !ok {
		return nil, ftp.ErrStorage
	}
	if s.files == nil {
		return nil, ftp.ErrPermission
	}
	return s, nil
}

// change calls do with the files of a session that is logged in.
func (w *world) change(h ftp.Handle, do func(files *fsbridge.Access) error) error {
	s, err := w.files(h)
	if err != nil {
		return err
	}
	return fault(do(s.files))
}

// Stat implements [ftp.Files].
func (w *world) Stat(h ftp.Handle, name []byte, link bool) (info ftp.FileInfo, err error) {
	err = w.change(h, func(files *fsbridge.Access) error {
		there, err := files.Stat(string(name), link)
		if err == nil {
			info = ftp.FileInfoOf(fsbridge.StatOf(there))
		}
		return err
	})
	return info, err
}

// Enter implements [ftp.Enterer].
func (w *world) Enter(h ftp.Handle, name []byte) error {
	return w.change(h, func(files *fsbridge.Access) error {
		_, err := files.Enter(string(name))
		return err
	})
}

// flags are the flags with which a storage creates an upload, by mode.
var flags = [...]int{ftp.OpenReplace: os.O_TRUNC, ftp.OpenResume: 0, ftp.OpenAppend: os.O_APPEND, ftp.OpenUnique: os.O_EXCL}

// Open implements [ftp.Files].
func (w *world) Open(h ftp.Handle, name []byte, mode ftp.OpenMode, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	s, err := w.files(h)
	if err != nil {
		return 0, ftp.FileInfo{}, err
	}
	f := &openFile{session: s}
	var there fs.FileInfo
	if mode == ftp.OpenRead {
		f.reader, there, err = s.files.Open(string(name), offset)
	} else {
		f.upload, there, err = s.files.Create(string(name), flags[mode], offset, nil)
	}
	var info ftp.FileInfo
	if there != nil {
		info = ftp.FileInfoOf(fsbridge.StatOf(there))
	}
	if err != nil {
		return 0, info, fault(err)
	}
	f.handle = w.add(f, s)
	return f.handle, info, nil
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
	return w.change(h, func(files *fsbridge.Access) error { return files.Mkdir(string(name), nil) })
}

// RemoveFile implements [ftp.Files].
func (w *world) RemoveFile(h ftp.Handle, name []byte) error {
	return w.change(h, func(files *fsbridge.Access) error { return files.Remove(string(name), false) })
}

// RemoveDir implements [ftp.Files].
func (w *world) RemoveDir(h ftp.Handle, name []byte) error {
	return w.change(h, func(files *fsbridge.Access) error { return files.Remove(string(name), true) })
}

// Rename implements [ftp.Files].
func (w *world) Rename(h ftp.Handle, from, to []byte) error {
	return w.change(h, func(files *fsbridge.Access) error {
		return files.Rename(context.Background(), string(from), string(to))
	})
}

// SetTime implements [ftp.Files].
func (w *world) SetTime(h ftp.Handle, name []byte, mtime int64) error {
	return w.change(h, func(files *fsbridge.Access) error { return files.Chtimes(string(name), time.Unix(0, mtime)) })
}

// SetMode implements [ftp.Files]. Under WASI, which has no permissions, a Dir cannot do it.
func (w *world) SetMode(h ftp.Handle, name []byte, mode uint32) error {
	return w.change(h, func(files *fsbridge.Access) error {
		return files.Chmod(string(name), fsbridge.ModeOf(mode))
	})
}
