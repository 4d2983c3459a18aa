package host

import (
	"cmp"
	"context"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// openFile is a file open for one transfer: a download's reader or an upload. It
// has one of its account's threads ([threads]) until it is closed, and whatever
// is done to it is done by that one.
type openFile struct {
	session    *session
	user       string // who has opened it
	name       string
	reader     fs.File   // of a download, else nil
	upload     Upload    // of an upload, else nil
	source     fs.File   // of a copy: what the upload is filled from, else nil
	from       string    // its name
	transfer   *transfer // nil until it starts
	committing bool
	taken      atomic.Bool // over by another session
	closeOnce  sync.Once
	closed     chan struct{} // of an upload under way: closed once it has ended
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

// close closes the file once its transfer is over, and aborts an upload. What
// never came to a transfer is told of too.
func (f *openFile) close() {
	f.closeOnce.Do(func() {
		defer f.session.server.threads.open.Leave(f.user)
		err := errGivenUp
		if f.transfer != nil {
			<-f.transfer.finished
			err = cmp.Or(f.transfer.err, err)
		}
		if f.taken.Load() {
			err = errTakenOver
		}
		guard := func(call func() error) { f.session.guard(filesCode, call) }
		switch {
		case f.reader != nil:
			if f.transfer == nil {
				f.observe(Event{Kind: Downloaded, Path: "/" + f.name, Err: err})
			}
			guard(f.reader.Close)
			return
		case f.source != nil && f.transfer == nil:
			guard(f.source.Close)
		}
		guard(f.upload.Abort)
		f.over(err)
	})
}

// observe tells of an event of the file, which may come after the logout.
func (f *openFile) observe(e Event) {
	e.User = f.user
	f.session.observe(e)
}

// name is a parameter that names a file. What is longer than a control line was
// never in one.
func (s *session) name(a *wasm.Args, n int) (name string, ok bool) {
	if len(a.Bytes(n)) > maxLine {
		return "", false
	}
	name, ok = s.charset().Incoming(a.String(n))
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
func (sh *shard) files(a *wasm.Args, right Rights) (s *session, fsys FS, name string, errno wasi.Errno) {
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
		Mode: mode | bitsOf(info.Mode()), Links: linksOf(info), Created: createdOf(info),
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
	if err == nil && !info.IsDir() && !s.can(RightList) && !s.can(RightRead) {
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

func (sh *shard) fileStat(a *wasm.Args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, 0)
	if errno != wasi.OK {
		return errno
	}
	flags := a.Uint32(2)
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
	result.stat.Put(a.Bytes(3))
	return errno
}

const openFlags = wasi.OpenWrite | wasi.OpenTruncate | wasi.OpenAppend | wasi.OpenExclusive

func (sh *shard) fileOpen(a *wasm.Args) wasi.Errno {
	flags, offset := a.Uint32(2), a.Int64(3)
	if flags&wasi.OpenDir != 0 {
		return sh.openDirectory(a)
	}
	right := RightRead
	if flags&wasi.OpenWrite != 0 {
		right = RightWrite
	}
	s, fsys, name, errno := sh.files(a, right)
	if errno != wasi.OK {
		return errno
	}
	if flags&^openFlags != 0 || offset < 0 || offset > 0 && flags&(wasi.OpenTruncate|wasi.OpenExclusive) != 0 {
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileOpen, name: name, flags: flags, number: offset}
	handle, opened, errno := s.askOpen(key, name, "", func(ctx context.Context, f *openFile) (wasi.Stat, error) {
		if right == RightWrite {
			return f.openUpload(ctx, fsys, flags, offset)
		}
		return f.openDownload(fsys, offset)
	})
	if errno != wasi.OK {
		return errno
	}
	putUint32(a.Bytes(4), handle)
	opened.stat.Put(a.Bytes(5))
	return wasi.OK
}

// askOpen asks for a file to be opened, and gives it a handle. from is the name of
// what a copy is made of, "" for all else.
func (s *session) askOpen(
	key questionKey, name, from string, open func(context.Context, *openFile) (wasi.Stat, error),
) (uint32, answer, wasi.Errno) {
	if len(s.objects) >= maxOwned {
		return 0, answer{}, wasi.EMFILE
	}
	user := s.user()
	opened, errno := s.askToOpen(key, func(ctx context.Context) answer {
		f := &openFile{session: s, user: user, name: name, from: from}
		stat, err := open(ctx, f)
		if err != nil {
			return answer{errno: errnoOf(err)}
		}
		return answer{file: f, stat: stat}
	})
	if errno != wasi.OK {
		return 0, answer{}, errno
	}
	handle, errno := s.own(opened.file)
	if errno != wasi.OK {
		opened.file.end()
		return 0, answer{}, errno
	}
	s.does(handle, opened.file.doing(), cmp.Or(from, name), nil)
	return handle, opened, errno
}

// doing is what the session is seen to do with the file, from before the client is told
// that the transfer begins.
func (f *openFile) doing() uint32 {
	if f.upload != nil {
		return wasi.DoingUpload
	}
	return wasi.DoingDownload
}

func (f *openFile) openDownload(fsys FS, offset int64) (wasi.Stat, error) {
	file, err := fsys.Open(f.name)
	if err != nil {
		return wasi.Stat{}, err
	}
	defer func() { // also when the file panics
		if f.reader == nil {
			file.Close()
		}
	}()
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
		return wasi.Stat{}, err
	}
	stat := statOf(info)
	f.reader = file
	return stat, nil
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
