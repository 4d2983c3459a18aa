package host

import (
	"context"
	"io"
	"path"
	"sync"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/charset"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// openDir is a directory open for a listing. It holds one place of the account's
// [threads].
type openDir struct {
	session *session
	user    string // the account that opened it
	charset *charset.Set

	mu      sync.Mutex // a page may still be read when the directory is closed
	listing *fsbridge.Listing
	entry   fsbridge.Entry // read and, if there was no room for it in the page, kept
	kept    bool
	page    []byte // directory records for the guest
}

func (d *openDir) owner() *session { return d.session }

func (d *openDir) end() { d.session.afterwards(d.close) }

func (d *openDir) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.session.server.threads.open.Leave(d.user)
	d.session.guard(filesCode, d.listing.Close)
}

// openDirectory is file_open of a directory.
func (sh *shard) openDirectory(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	if len(s.objects) >= maxOwned {
		return wasi.EMFILE
	}
	flags := a.Uint32(2)
	if flags&^(wasi.OpenDir|wasi.OpenNames) != 0 || a.Int64(3) != 0 {
		return wasi.EINVAL
	}
	names, listed := s.charset(), Event{Kind: Listed, Path: path.Join("/", name), User: s.user()}
	result, errno := s.askToOpen(questionKey{call: wasi.FileOpen, name: name, flags: flags}, func(context.Context) answer {
		listing, err := files.List(name, flags&wasi.OpenNames != 0)
		if err != nil {
			return answer{errno: errnoOf(err)}
		}
		s.observe(listed)
		d := &openDir{session: s, user: listed.User, charset: names, listing: listing}
		return answer{dir: d, stat: fsbridge.StatOf(listing.Info)}
	})
	if errno != wasi.OK {
		return errno
	}
	handle, errno := s.own(result.dir)
	if errno != wasi.OK {
		result.dir.end()
		return errno
	}
	s.does(handle, wasi.DoingList, name, nil)
	putUint32(a.Bytes(4), handle)
	result.stat.Put(a.Bytes(5))
	return wasi.OK
}

// maxPage bounds a page, whatever room the guest offers.
const maxPage = 64 << 10

func (sh *shard) fileList(a *wasm.Args) wasi.Errno {
	d, errno := get[*openDir](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	room := min(len(a.Bytes(1)), maxPage)
	key := questionKey{call: wasi.FileList, handle: a.Handle(0), number: int64(room)}
	_, errno = d.session.pose(key, func(context.Context) answer { return answer{errno: errnoOf(d.fill(room))} })
	if errno == wasi.OK {
		if !d.mu.TryLock() { // an abandoned question still fills the page
			return wasi.EBUSY
		}
		defer d.mu.Unlock()
		putUint32(a.Bytes(2), uint32(copy(a.Bytes(1), d.page)))
	}
	return errno
}

// fill makes a page of up to room bytes. An empty page is the end.
func (d *openDir) fill(room int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cap(d.page) < room {
		d.page = make([]byte, 0, room)
	}
	d.page = d.page[:0:room]
	for {
		if !d.kept {
			var err error
			if d.entry, err = d.listing.Next(); err != nil {
				if err == io.EOF || len(d.page) > 0 {
					return nil
				}
				return err
			}
		}
		var fits bool
		d.page, fits = wasi.AppendDirent(d.page, d.entry.Stat, d.charset.Outgoing(d.entry.Name), d.charset.Outgoing(d.entry.Target))
		if d.kept = !fits && len(d.page) > 0; d.kept {
			return nil
		}
	}
}
