package host

import (
	"cmp"
	"context"
	"io/fs"
	"sync"
	"sync/atomic"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// openFile is a file open for one transfer: a download, an upload or a copy. It holds one
// place of the account's [threads] until it is closed; one call of it is under way at a
// time.
type openFile struct {
	session    *session
	user       string // the account that opened it
	folder     string // its Account.Folder
	name       string
	renamed    string          // the name that BeforeCommit has given the upload; "" for none
	offset     int64           // where the client had the transfer begin (REST)
	about      Upload          // what hooks are asked about an upload or a copy
	reader     fs.File         // of a download or a hash, else nil
	upload     fsbridge.Upload // of an upload or a copy, else nil
	source     fs.File         // of a copy: the file that is read, else nil
	from       string          // name of source
	transfer   *transfer       // nil until it starts
	committing bool
	taken      atomic.Bool // another session has taken the upload over
	closeOnce  sync.Once
	closed     chan struct{} // of an upload under way: closed once it has ended
}

func (f *openFile) owner() *session { return f.session }

// end gives the file up, and with it a transfer under way. An upload that is being
// committed goes on.
func (f *openFile) end() {
	if f.committing {
		return
	}
	if f.transfer != nil {
		f.transfer.giveUp()
	}
	if _, small := f.reader.(*smallFile); small && f.transfer.over() {
		f.close() // which waits for nothing
	} else {
		f.session.afterwards(f.close)
	}
}

// close closes the file once its transfer is over, and aborts an upload. It sends the event
// of a file without a transfer, too.
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
				f.observe(Event{Kind: Downloaded, Verb: f.verb(), Path: "/" + f.name, Offset: f.offset, Err: err})
			}
			guard(f.reader.Close)
			return
		case f.source != nil && f.transfer == nil:
			guard(f.source.Close)
		}
		guard(f.transfer.store)
		guard(f.upload.Abort)
		f.over(err)
	})
}

// observe sends an event of the file, which may come after the logout.
func (f *openFile) observe(e Event) {
	e.User, e.Folder = f.user, f.folder
	f.session.observe(e)
}

// name is parameter n, the name of a file. A name is refused if it is longer than any
// control line, or leads elsewhere than down from the root.
func (s *session) name(a *wasm.Args, n int) (name string, ok bool) {
	if len(a.Bytes(n)) > maxLine {
		return "", false
	}
	name, ok = s.charset().Incoming(a.String(n))
	return name, ok && fsbridge.ValidName(name)
}

// files returns the session, its storage and the name for a call whose second parameter is
// a name.
func (sh *shard) files(a *wasm.Args) (s *session, files *fsbridge.Access, name string, errno wasi.Errno) {
	s, errno = sh.session(a)
	if errno != wasi.OK {
		return nil, nil, "", errno
	}
	name, ok := s.name(a, 1)
	switch {
	case !s.can(0):
		return nil, nil, "", wasi.EACCES
	case !ok:
		return nil, nil, "", wasi.EINVAL
	}
	return s, s.login.Load().files.Load(), name, wasi.OK
}

func (sh *shard) fileStat(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	flags := a.Uint32(2)
	describe := func() (fs.FileInfo, error) { return files.Stat(name, flags == wasi.StatLink) }
	switch flags {
	case 0, wasi.StatLink:
	case wasi.StatEnter:
		describe = func() (fs.FileInfo, error) { return files.Enter(name) }
	default:
		return wasi.EINVAL
	}
	result, errno := s.ask(questionKey{call: wasi.FileStat, name: name, flags: flags}, func(context.Context) answer {
		info, err := describe()
		if err != nil {
			return failed(err)
		}
		return answer{stat: files.Record(name, info)}
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
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	if flags&^openFlags != 0 || offset < 0 || offset > 0 && flags&(wasi.OpenTruncate|wasi.OpenExclusive) != 0 {
		return wasi.EINVAL
	}
	if f, stat := s.openCached(files, name, flags, offset); f != nil {
		handle, errno := s.keep(f)
		putUint32(a.Bytes(4), handle)
		stat.Put(a.Bytes(5))
		return errno
	}
	key := questionKey{call: wasi.FileOpen, name: name, flags: flags, number: offset}
	handle, opened, errno := s.askOpen(key, name, "", func(ctx context.Context, f *openFile) (wasi.Stat, error) {
		if flags&wasi.OpenWrite != 0 {
			return f.openUpload(ctx, files, flags, offset)
		}
		return f.openDownload(ctx, files, offset, "")
	})
	if errno != wasi.OK {
		return errno
	}
	putUint32(a.Bytes(4), handle)
	opened.stat.Put(a.Bytes(5))
	return wasi.OK
}

// askOpen has open open a file, and gives it a handle. from is the name of the file that a
// copy reads, "" for all else.
func (s *session) askOpen(
	key questionKey, name, from string, open func(context.Context, *openFile) (wasi.Stat, error),
) (uint32, answer, wasi.Errno) {
	if len(s.objects) >= maxOwned {
		return 0, answer{}, wasi.EMFILE
	}
	user, folder := s.user(), s.folder()
	opened, errno := s.askToOpen(key, func(ctx context.Context) answer {
		f := &openFile{session: s, user: user, folder: folder, name: name, from: from}
		stat, err := open(ctx, f)
		if err != nil {
			return failed(err)
		}
		return answer{file: f, stat: stat}
	})
	if errno != wasi.OK {
		return 0, answer{}, errno
	}
	handle, errno := s.keep(opened.file)
	return handle, opened, errno
}

// keep gives an open file a handle, and shows it in SITE WHO.
func (s *session) keep(f *openFile) (uint32, wasi.Errno) {
	handle, errno := s.own(f)
	if errno != wasi.OK {
		f.end()
		return 0, errno
	}
	s.does(handle, f.doing(), cmp.Or(f.from, f.name), nil)
	return handle, wasi.OK
}

// verb is the verb of the file's transfer; "" for a hash or a copy.
func (f *openFile) verb() string {
	switch {
	case f.from != "", f.transfer != nil && f.transfer.hash != nil:
		return ""
	case f.upload == nil:
		return "RETR"
	case f.about.Append:
		return "APPE"
	case f.about.Exclusive:
		return "STOU"
	}
	return "STOR"
}

// doing is what SITE WHO shows while the file is open; a hash or a copy replaces it.
func (f *openFile) doing() uint16 {
	if f.upload != nil {
		return wasi.DoingUpload
	}
	return wasi.DoingDownload
}

// openDownload opens the file. to is the target of a copy, "" for none.
func (f *openFile) openDownload(ctx context.Context, files *fsbridge.Access, offset int64, to string) (wasi.Stat, error) {
	if err := f.mayDownload(ctx, offset, to); err != nil {
		return wasi.Stat{}, err
	}
	file, info, err := files.Open(f.name, offset)
	if err != nil {
		return wasi.Stat{}, err
	}
	f.offset, f.reader = offset, f.session.server.small(file, info, offset)
	return fsbridge.StatOf(info), nil
}
