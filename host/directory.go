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
// [threads]: its pages are read one after the other.
type openDir struct {
	session *session
	user    string // the account that opened it
	charset *charset.Set
	handle  uint32
	over    bool // the guest has fetched the last page; for the shard's goroutine

	mu      sync.Mutex // a page may still be read when the directory is closed
	listing *fsbridge.Listing
	entry   fsbridge.Entry // read and, if there was no room for it in the page, kept
	kept    bool
	page    []byte // directory records that the guest has not fetched
	ready   int    // how many bytes of page the guest gets next: whole records
	ended   bool   // page has the last records
}

func (d *openDir) owner() *session { return d.session }

func (d *openDir) end() {
	if q := d.session.asked; q != nil && q.key.call == wasi.FileList && q.key.handle == d.handle {
		d.session.abandonQuestion()
	}
	d.session.afterwards(d.close)
}

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
			return failed(err)
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
	result.dir.handle = handle
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
	n, errno := d.fetch(a.Bytes(1))
	if errno == wasi.OK {
		putUint32(a.Bytes(2), uint32(n))
	}
	return errno
}

// fetch copies the next page to the guest, and has the one behind it read meanwhile. There
// is no question about the end of the directory: the host knows it with the last page.
func (d *openDir) fetch(to []byte) (n int, errno wasi.Errno) {
	if d.over {
		return 0, wasi.OK
	}
	room := min(len(to), maxPage)
	key := questionKey{call: wasi.FileList, handle: d.handle, number: int64(room)}
	fill := task{work: func(context.Context) answer { return answer{errno: errnoOf(d.fill(room))} }}
	if _, errno := d.session.pose(key, fill); errno != wasi.OK {
		return 0, errno
	}
	if !d.mu.TryLock() { // an abandoned question still fills the page
		return 0, wasi.EBUSY
	}
	defer d.mu.Unlock()
	n = copy(to, d.page[:whole(d.page[:d.ready], len(to))])
	d.page = append(d.page[:0], d.page[n:]...)
	d.ready = 0
	if d.over = d.ended && len(d.page) == 0; !d.over {
		d.session.foresee(key, fill)
	}
	return n, wasi.OK
}

// fill makes a page of up to room bytes. An empty page is the end. The records of a
// question that was abandoned come first.
func (d *openDir) fill(room int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.page) > 0 {
		if d.ready = whole(d.page, room); d.ready > 0 {
			return nil
		}
		_, _, _, rest, _ := wasi.NextDirent(d.page) // the guest has no room for the first record
		d.page = append(d.page[:0], rest...)
	}
	if cap(d.page) < room {
		d.page = make([]byte, 0, room)
	}
	d.page = d.page[:0:room]
	err := d.read()
	d.ready = len(d.page)
	switch {
	case err == io.EOF:
		d.ended = true
	case d.ready == 0:
		return err
	}
	return nil // an error comes again behind the page
}

// read adds entries to the page until one does not fit.
func (d *openDir) read() (err error) {
	for {
		if !d.kept {
			if d.entry, err = d.listing.Next(); err != nil {
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

// whole is how many bytes of a page are whole records that fit into room.
func whole(page []byte, room int) (n int) {
	if len(page) <= room {
		return len(page)
	}
	for {
		_, _, _, rest, _ := wasi.NextDirent(page[n:])
		end := len(page) - len(rest)
		if end > room || end <= n {
			return n
		}
		n = end
	}
}
