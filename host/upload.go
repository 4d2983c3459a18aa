package host

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// uploads are the uploads under way, by account, client address and name. If a storage
// allows several of one key, it holds the latest.
type uploads struct {
	mu   sync.Mutex
	open map[uploadKey]*openFile
}

type uploadKey struct {
	user   string
	client netip.Addr
	name   string
}

func (f *openFile) key() uploadKey { return uploadKey{f.user, f.session.client.Addr(), f.name} }

func (u *uploads) add(f *openFile) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.closed = make(chan struct{})
	u.open[f.key()] = f
}

func (u *uploads) remove(f *openFile) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open[f.key()] == f {
		delete(u.open, f.key())
	}
	if f.closed != nil {
		close(f.closed)
	}
}

// count is how many are under way.
func (u *uploads) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.open)
}

// takeOver ends an upload of the same account, from the same address and to the same name
// as f, and waits until it is closed. Mostly the client has lost its connection and tries
// again, long before the old one counts as stalled. It returns false if there is none.
func (u *uploads) takeOver(ctx context.Context, f *openFile) bool {
	u.mu.Lock()
	old := u.open[f.key()]
	u.mu.Unlock()
	if old == nil {
		return false
	}
	old.session.shard.do(old.yield)
	select {
	case <-old.closed:
		return true
	case <-ctx.Done():
		return false
	}
}

var errTakenOver = errors.New("taken over by a later session of the account")

// yield gives an upload up for another session's. Its guest gets the event that ends the
// transfer. It runs on the shard's goroutine.
func (f *openFile) yield() {
	if f.committing {
		return
	}
	f.taken.Store(true)
	if f.transfer != nil {
		f.transfer.giveUp()
	}
	f.session.server.work.Go(f.close)
}

func (f *openFile) openUpload(ctx context.Context, files *fsbridge.Access, flags uint32, offset int64) (wasi.Stat, error) {
	under := &f.session.server.uploads
	f.about, f.offset = Upload{Path: "/" + f.name, Offset: offset}, offset
	f.about.Append, f.about.Exclusive = flags&wasi.OpenAppend != 0, flags&wasi.OpenExclusive != 0
	if f.from != "" {
		f.about.From = "/" + f.from
	}
	if err := f.mayUpload(ctx); err != nil {
		return wasi.Stat{}, err
	}
	stat, err := f.create(files, flags, offset)
	if errors.Is(err, syscall.EBUSY) && under.takeOver(ctx, f) {
		stat, err = f.create(files, flags, offset)
	}
	if err == nil {
		under.add(f)
	}
	return stat, err
}

func (f *openFile) create(files *fsbridge.Access, flags uint32, offset int64) (wasi.Stat, error) {
	flag := 0
	switch {
	case flags&wasi.OpenExclusive != 0:
		flag = os.O_EXCL
	case flags&wasi.OpenAppend != 0:
		flag = os.O_APPEND
	case flags&wasi.OpenTruncate != 0:
		flag = os.O_TRUNC
	}
	upload, there, err := files.Create(f.name, flag, offset, f.session.permissions(0o666))
	f.upload = upload
	if there == nil {
		return wasi.Stat{}, err
	}
	return fsbridge.StatOf(there), err
}

func (sh *shard) fileCommit(a *wasm.Args) wasi.Errno {
	f, errno := get[*openFile](&sh.handles, a.Handle(0))
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
	if f.transfer.err != nil || f.taken.Load() {
		return wasi.EINVAL // an upload that failed is not whole, whatever the guest says
	}
	if f.transfer.small != nil && f.session.config.waitsForNobody() && !f.committing {
		if done, ok := fsbridge.Cached(f.upload); ok {
			err := f.complete(context.Background())
			done()
			f.concluded(err)
			f.session.disown(a.Handle(0))
			return errnoOf(err)
		}
	}
	key := questionKey{call: wasi.FileCommit, handle: a.Handle(0)}
	begun := f.committing
	if begun && (f.session.asked == nil || f.session.asked.key != key) {
		return wasi.EBUSY // the guest has asked something else since, and the commit goes on
	}
	commit := func(ctx context.Context) answer { return failed(f.commit(ctx)) }
	_, errno = f.session.pose(key, task{work: commit, tempo: f.session.tempo()})
	switch {
	case errno == wasi.EAGAIN:
		f.committing = true
	case begun:
		f.session.disown(a.Handle(0))
	}
	return errno
}

// waitsForNobody says whether the commit of an upload calls nothing of the embedder's that may
// take its time.
func (c *Config) waitsForNobody() bool {
	return c.Hooks.BeforeCommit == nil && (c.Observer == nil || !c.SyncObserver)
}

// commit makes the upload final, and sends the event.
func (f *openFile) commit(ctx context.Context) error {
	err := f.complete(ctx)
	f.concluded(err)
	return err
}

// complete makes the upload final, or aborts it.
func (f *openFile) complete(ctx context.Context) error {
	return f.session.guard(filesCode, func() error {
		err := f.transfer.store()
		if err == nil {
			err = f.mayCommit(ctx)
		}
		if err != nil {
			f.upload.Abort()
			return err
		}
		return f.upload.Commit()
	})
}

// concluded sends the event of an upload that is final.
func (f *openFile) concluded(err error) {
	if err != nil {
		f.session.spoken.told.Store(true)
	}
	f.closeOnce.Do(func() {
		defer f.session.server.threads.open.Leave(f.user)
		f.over(err)
	})
}

// over sends the event that ends an upload or a copy. Then another upload may begin.
func (f *openFile) over(err error) {
	e := Event{Verb: f.verb(), Path: "/" + f.name, Offset: f.offset}
	if f.transfer != nil {
		e = f.transfer.event(0, nil)
	}
	e.Err = err
	if err == nil && f.renamed != "" && f.renamed != f.name {
		e.Asked, e.Path = e.Path, "/"+f.renamed
	}
	switch {
	case f.source != nil:
		e.Kind, e.Path, e.To = Copied, "/"+f.from, e.Path
	case err != nil:
		e.Kind = UploadFailed
	default:
		e.Kind = Uploaded
	}
	f.observe(e)
	f.session.server.uploads.remove(f)
}
