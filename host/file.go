package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"wasiftp/wasi"
)

// openFile is a file open for one transfer: a download's reader or an upload.
type openFile struct {
	session    *session
	name       string
	reader     fs.File   // of a download, else nil
	upload     Upload    // of an upload, else nil
	source     fs.File   // of a copy: what the upload is filled from, else nil
	from       string    // its name
	transfer   *transfer // nil until it starts
	committing bool
}

func (f *openFile) owner() *session { return f.session }

// end gives the file up, and with it a transfer under way. An upload that is
// being committed is past that.
func (f *openFile) end() {
	if f.committing {
		return
	}
	if f.transfer != nil {
		f.transfer.giveUp()
	}
	f.session.afterwards(f.close)
}

// close closes the file once its transfer is over, and aborts an upload.
func (f *openFile) close() {
	var err error
	defer f.session.recovered(func(error) {})
	if f.transfer != nil {
		<-f.transfer.finished
		err = f.transfer.err
	}
	if f.reader != nil {
		f.reader.Close()
		return
	}
	if f.source != nil && f.transfer == nil {
		f.source.Close()
	}
	f.upload.Abort()
	if err == nil {
		err = errGivenUp
	}
	f.observeEnd(err)
}

// observeEnd tells what became of an upload or a copy.
func (f *openFile) observeEnd(err error) {
	e := Event{Path: "/" + f.name}
	if f.transfer != nil {
		e = f.transfer.event(0, nil)
	}
	e.Err = err
	switch {
	case f.source != nil:
		e.Kind, e.Path, e.To = Copied, "/"+f.from, e.Path
	case err != nil:
		e.Kind = UploadFailed
	default:
		e.Kind = Uploaded
	}
	f.session.observe(e)
}

// name is a parameter that names a file. What is longer than a control line was
// never in one.
func (s *session) name(a *args, n int) (name string, ok bool) {
	if len(a.bytes(n)) > maxLine {
		return "", false
	}
	name, ok = s.charset().incoming(a.string(n))
	return name, ok && named(name)
}

// named says whether a name is one that the boundary allows: relative to the
// root, with no element that leads anywhere but down.
func named(name string) bool {
	if name == "." {
		return true
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." || strings.IndexByte(element, 0) >= 0 {
			return false
		}
	}
	return true
}

// files gives the session and its account's files for a call that needs a
// right and names a file in its second parameter.
func (sh *shard) files(a *args, right Rights) (s *session, fsys FS, name string, errno wasi.Errno) {
	s, errno = sh.session(a)
	if errno != wasi.OK {
		return nil, nil, "", errno
	}
	name, ok := s.name(a, 1)
	switch {
	case !s.can(right):
		return nil, nil, "", wasi.EACCES
	case !ok:
		return nil, nil, "", wasi.EINVAL
	}
	return s, s.login.Load().fs, name, wasi.OK
}

// statOf is a file's description as a record.
func statOf(info fs.FileInfo) wasi.Stat {
	mode := uint32(wasi.TypeOther)
	switch info.Mode().Type() {
	case 0:
		mode = wasi.TypeRegular
	case fs.ModeDir:
		mode = wasi.TypeDir
	case fs.ModeSymlink:
		mode = wasi.TypeLink
	}
	return wasi.Stat{
		ModTime: unixNano(info.ModTime()), Size: uint64(max(info.Size(), 0)),
		Mode: mode | uint32(info.Mode().Perm()), Links: linksOf(info), Created: createdOf(info),
	}
}

// createdOf is when a file was created, in ns since 1970; 0 where that is not known.
func createdOf(info fs.FileInfo) int64 {
	if c, ok := info.(interface{ Created() time.Time }); ok {
		return unixNano(c.Created())
	}
	return 0
}

// unixNano is a time in ns since 1970, 0 for one that int64 cannot hold.
func unixNano(t time.Time) int64 {
	if t.Year() < 1679 || t.Year() > 2261 {
		return 0
	}
	return t.UnixNano()
}

// visible is what a session may see of a file: an account that can only upload
// still changes directories, but learns nothing of files.
func (s *session) visible(fsys FS, name string, link bool) (fs.FileInfo, error) {
	info, err := describe(fsys, name, link)
	if err == nil && !info.IsDir() && !s.can(List) && !s.can(Read) {
		return nil, fs.ErrPermission
	}
	return info, err
}

// describe describes a file; with link, a link itself.
func describe(fsys FS, name string, link bool) (fs.FileInfo, error) {
	if l, ok := fsys.(fs.ReadLinkFS); ok && link {
		return l.Lstat(name)
	}
	return fs.Stat(fsys, name)
}

// enter finds out whether the account can use a directory as its current one.
func enter(fsys FS, name string, info fs.FileInfo) error {
	if !info.IsDir() {
		return syscall.ENOTDIR
	}
	if e, ok := fsys.(EnterFS); ok {
		return e.Enter(name)
	}
	return nil
}

func (sh *shard) fileStat(a *args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, 0)
	if errno != wasi.OK {
		return errno
	}
	flags := a.uint32(2)
	if flags&^(wasi.StatLink|wasi.StatEnter) != 0 {
		return wasi.EINVAL
	}
	result, errno := s.ask(questionKey{call: wasi.FileStat, name: name, flags: flags}, func(context.Context) answer {
		info, err := s.visible(fsys, name, flags&wasi.StatLink != 0)
		if err == nil && flags&wasi.StatEnter != 0 {
			err = enter(fsys, name, info)
		}
		if err != nil {
			return answer{errno: errnoOf(err)}
		}
		return answer{stat: statOf(info)}
	})
	result.stat.Put(a.bytes(3))
	return errno
}

const openFlags = wasi.OpenWrite | wasi.OpenTruncate | wasi.OpenAppend | wasi.OpenExclusive

func (sh *shard) fileOpen(a *args) wasi.Errno {
	flags, offset := a.uint32(2), a.int64(3)
	right := Read
	if flags&wasi.OpenWrite != 0 {
		right = Write
	}
	s, fsys, name, errno := sh.files(a, right)
	if errno != wasi.OK {
		return errno
	}
	if flags&^openFlags != 0 || offset < 0 || offset > 0 && flags&(wasi.OpenTruncate|wasi.OpenExclusive) != 0 {
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileOpen, name: name, flags: flags, number: offset}
	handle, opened, errno := s.askOpen(key, openFile{name: name}, func(f *openFile) (wasi.Stat, error) {
		return f.open(fsys, flags, offset)
	})
	if errno != wasi.OK {
		return errno
	}
	putUint32(a.bytes(4), handle)
	opened.stat.Put(a.bytes(5))
	return wasi.OK
}

// askOpen asks for a file to be opened, and gives it a handle.
func (s *session) askOpen(key questionKey, file openFile, open func(*openFile) (wasi.Stat, error)) (uint32, answer, wasi.Errno) {
	if len(s.objects) >= maxOwned {
		return 0, answer{}, wasi.EMFILE
	}
	opened, errno := s.ask(key, func(context.Context) answer {
		f := file
		f.session = s
		stat, err := open(&f)
		if err != nil {
			return answer{errno: errnoOf(err)}
		}
		return answer{file: &f, stat: stat}
	})
	if errno != wasi.OK {
		return 0, answer{}, errno
	}
	handle, errno := s.own(opened.file)
	if errno != wasi.OK {
		opened.file.end()
	}
	return handle, opened, errno
}

func (f *openFile) open(fsys FS, flags uint32, offset int64) (wasi.Stat, error) {
	if flags&wasi.OpenWrite != 0 {
		return f.openUpload(fsys, flags, offset)
	}
	file, err := fsys.Open(f.name)
	if err != nil {
		return wasi.Stat{}, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = fs.ErrPermission
	case offset > 0:
		err = skip(file, offset)
	}
	if err != nil {
		file.Close()
		return wasi.Stat{}, err
	}
	f.reader = file
	return statOf(info), nil
}

// skip moves to an offset, by reading where a file cannot seek.
func skip(file fs.File, offset int64) error {
	if seeker, ok := file.(io.Seeker); ok {
		_, err := seeker.Seek(offset, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, file, offset)
	return err
}

// openUpload opens an upload. Whoever may not delete may not replace or
// overwrite either, only make new files and add to the end of old ones.
func (f *openFile) openUpload(fsys FS, flags uint32, offset int64) (wasi.Stat, error) {
	creator, ok := fsys.(CreateFS)
	if !ok {
		return wasi.Stat{}, errors.ErrUnsupported
	}
	var stat wasi.Stat
	if info, err := fs.Stat(fsys, f.name); err == nil {
		stat = statOf(info)
		if info.IsDir() {
			return stat, syscall.EISDIR
		}
	}
	flag := 0
	switch {
	case flags&wasi.OpenExclusive != 0:
		flag = os.O_EXCL
	case flags&wasi.OpenAppend != 0:
		flag, offset = os.O_APPEND, 0
	case uint64(offset) > stat.Size:
		return stat, syscall.EINVAL
	case flags&wasi.OpenTruncate != 0:
		flag = os.O_TRUNC
		if !f.session.can(Delete) {
			flag = os.O_EXCL
		}
	case uint64(offset) < stat.Size && !f.session.can(Delete):
		return stat, fs.ErrPermission
	}
	upload, err := creator.Create(f.name, flag, offset)
	if flags&wasi.OpenTruncate != 0 && flag == os.O_EXCL && errors.Is(err, fs.ErrExist) {
		return stat, fs.ErrPermission
	}
	f.upload = upload
	return stat, err
}

func (sh *shard) fileCommit(a *args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	if f.upload == nil || f.transfer == nil {
		return wasi.EINVAL
	}
	select {
	case <-f.transfer.finished:
	default:
		return wasi.EBUSY
	}
	if f.transfer.err != nil {
		return wasi.EINVAL // what broke off is not whole, whatever the guest says
	}
	key := questionKey{call: wasi.FileCommit, handle: a.handle(0)}
	begun := f.committing
	if begun && (f.session.asked == nil || f.session.asked.key != key) {
		return wasi.EBUSY // it was given up for another question, and goes on all the same
	}
	_, errno = f.session.ask(key, func(context.Context) answer {
		err := f.upload.Commit()
		f.observeEnd(err)
		return answer{errno: errnoOf(err)}
	})
	switch {
	case errno == wasi.EAGAIN:
		f.committing = true
	case begun:
		f.session.disown(a.handle(0))
	}
	return errno
}
