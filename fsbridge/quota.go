package fsbridge

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"syscall"
)

// Quota counts what an account stores, and bounds it. All sessions of the account share
// one. Bytes are those of regular files. Files are these, folders, links and all else that
// has a name. [Access] calls the methods from many goroutines, also from those that serve
// other sessions: they must not wait for a disk or a network.
//
// Changes of what is there are counted while the lock is held, so that no two sessions
// count the removal of one file. Reserve, Release and Left are called without it too.
type Quota interface {
	// Reserve takes room for what is under way. It fails with [syscall.EDQUOT], and takes
	// nothing, if there is not so much left. Neither argument is negative.
	Reserve(bytes, files int64) error

	// Release gives room back that was reserved.
	Release(bytes, files int64)

	// Count adds what is there by now, or subtracts what is gone. It does not fail, as
	// that is a fact already.
	Count(bytes, files int64)

	// Left is the room that there is; [math.MaxInt64] is no limit.
	Left() (bytes, files int64)

	sync.Locker
	TryLock() bool // locks if that needs no wait, as [sync.Mutex] does
}

// quotaPiece is how many bytes an upload reserves at a time, ahead of writing them.
const quotaPiece = 256 << 10

// sized is the upload of a [Dir] in place, whose size can be asked for.
type sized interface {
	// sizeNow is the size of the file. linked is false if it has lost its name: then
	// whoever has removed it has counted that.
	sizeNow() (size int64, linked bool)
	replaced() fs.FileInfo // the file as it was before; nil for none
	leftNothing() bool     // Abort has removed the file
}

// countedUpload counts an upload for a quota. It keeps the abilities of the upload.
type countedUpload struct {
	Upload
	access *Access
	quota  Quota
	name   string
	place  sized // nil for an upload that is not in place, or of another storage
	start  int64 // the offset of the first byte written
	base   int64 // bytes of the file that are counted already
	cuts   bool  // the first byte removes these
	apart  bool  // Rename was called: these stay
	wrote  int64
	took   int64 // bytes reserved
	made   int64 // files reserved
	locked bool  // the lock is held for the next calls, see Cached

	settled bool // Commit or Abort was called
}

// counted makes an upload count. The quota is locked. there is the file that is there already, nil for none.
func (a *Access) counted(up Upload, there fs.FileInfo, name string, flag int, offset int64) (Upload, error) {
	u := &countedUpload{Upload: up, access: a, quota: a.Quota, name: name}
	file := up
	if limited, ok := up.(*limitedUpload); ok {
		file = limited.Upload
	}
	if place, ok := file.(sized); ok && InPlace(file) {
		u.place, there = place, place.replaced()
	}
	if there != nil {
		u.base = bytesOf(there)
	} else {
		u.made = 1
	}
	switch flag {
	case os.O_APPEND:
		u.start = u.base
	case 0:
		u.start = offset
	default:
		u.cuts = there != nil
	}
	if err := u.quota.Reserve(0, u.made); err != nil {
		return nil, errors.Join(err, up.Abort())
	}
	return u, nil
}

// bytesOf are the bytes of a file that count.
func bytesOf(info fs.FileInfo) int64 {
	if !info.Mode().IsRegular() {
		return 0
	}
	return max(info.Size(), 0)
}

func (u *countedUpload) inPlace() bool { return InPlace(u.Upload) }

func (u *countedUpload) cached() (done func(), ok bool) {
	if _, ok = Cached(u.Upload); !ok || !u.quota.TryLock() {
		return nil, false
	}
	u.locked = true
	return func() {
		u.locked = false
		u.quota.Unlock()
	}, true
}

// lock locks the quota, and unlock unlocks it, unless it is locked for several calls.
func (u *countedUpload) lock() {
	if !u.locked {
		u.quota.Lock()
	}
}

func (u *countedUpload) unlock() {
	if !u.locked {
		u.quota.Unlock()
	}
}

// Hidden implements [HiddenUpload].
func (u *countedUpload) Hidden() bool {
	hidden, ok := u.Upload.(HiddenUpload)
	return ok && hidden.Hidden()
}

// Open implements [ReadableUpload].
func (u *countedUpload) Open() (io.ReadCloser, error) { return openUpload(u.Upload) }

// room reserves for the next n bytes, and returns how many of them may be written.
func (u *countedUpload) room(n int64) (int64, error) {
	free := u.took - u.wrote
	if u.place != nil {
		free += u.base - u.start // what is overwritten needs no room
	}
	if free > 0 {
		return min(n, free), nil
	}
	left, _ := u.quota.Left()
	for _, piece := range []int64{max(n, quotaPiece), min(n, left)} {
		if piece <= 0 {
			break
		}
		if u.quota.Reserve(piece, 0) == nil {
			u.took += piece
			return min(n, piece), nil
		}
	}
	return 0, syscall.EDQUOT
}

// Write implements [Upload].
func (u *countedUpload) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		if u.place != nil && u.cuts {
			more, err = u.cut(p)
		} else {
			more, err = u.writePiece(p[n:])
		}
		n += more
	}
	return n, err
}

func (u *countedUpload) writePiece(p []byte) (int, error) {
	room, err := u.room(int64(len(p)))
	if err != nil {
		return 0, err
	}
	n, err := u.Upload.Write(p[:room])
	u.wrote += int64(n)
	return n, err
}

// cut writes the first bytes in place of a file's old content. The room of that is free from
// then on. If there is not enough, the old content stays.
func (u *countedUpload) cut(p []byte) (n int, err error) {
	u.lock()
	defer u.unlock()
	p = p[:min(len(p), quotaPiece)]
	size, linked := u.place.sizeNow()
	missing := int64(len(p))
	if linked {
		missing = max(missing-size, 0)
	}
	if err := u.quota.Reserve(missing, 0); err != nil {
		return 0, err
	}
	n, err = u.Upload.Write(p)
	if now, _ := u.place.sizeNow(); err != nil && n == 0 && now == size {
		u.quota.Release(missing, 0) // nothing was removed
		return 0, err
	}
	if linked {
		u.quota.Count(-u.base, 0)
	}
	u.cuts, u.base, u.wrote, u.took = false, 0, int64(n), missing
	if more := int64(n) - missing; more > 0 && u.quota.Reserve(more, 0) == nil {
		u.took += more // it fits into the room of the old content, unless another session was quicker
	}
	return n, err
}

// ReadFrom implements [io.ReaderFrom]. The bytes go to that of the upload in pieces, so
// that the kernel still moves them.
func (u *countedUpload) ReadFrom(r io.Reader) (n int64, err error) {
	into, ok := u.Upload.(io.ReaderFrom)
	if !ok || u.place != nil && u.cuts {
		more, err := u.readFirst(r, !ok)
		if n += more; err != nil {
			return n, ended(err)
		}
	}
	for {
		room, err := u.room(quotaPiece)
		if err != nil {
			return n, endsHere(r, err)
		}
		more, err := readPiece(into, r, room)
		n += more
		u.wrote += more
		if err != nil || more < room {
			return n, err
		}
	}
}

// readFirst reads until the first bytes have come or, with all, to the end.
func (u *countedUpload) readFirst(r io.Reader, all bool) (n int64, err error) {
	buf := make([]byte, firstPiece)
	if all {
		buf = make([]byte, 8*firstPiece)
	}
	for err == nil && (n == 0 || all) {
		var got, put int
		got, err = r.Read(buf)
		if got > 0 {
			var failed error
			put, failed = u.Write(buf[:got])
			n += int64(put)
			if failed != nil {
				return n, failed
			}
		}
	}
	return n, err
}

// ended is an error of reading without [io.EOF].
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// endsHere is nil if nothing more comes from r: then all of the upload had room. Else it is
// the error.
func endsHere(r io.Reader, err error) error {
	var one [1]byte
	n, failed := 0, error(nil)
	for n == 0 && failed == nil {
		n, failed = r.Read(one[:])
	}
	if n > 0 {
		return err
	}
	return ended(failed)
}

// readPiece has into read up to n bytes of r. The system's copying sees through one
// [io.LimitedReader], but not through two.
func readPiece(into io.ReaderFrom, r io.Reader, n int64) (int64, error) {
	outer, ok := r.(*io.LimitedReader)
	if !ok {
		return into.ReadFrom(&io.LimitedReader{R: r, N: n})
	}
	more, err := into.ReadFrom(&io.LimitedReader{R: outer.R, N: min(n, outer.N)})
	outer.N -= more
	return more, err
}

// Commit implements [Upload].
func (u *countedUpload) Commit() error {
	if f, ok := u.Upload.(interface{ flushAhead() }); ok {
		f.flushAhead() // so that no other session waits for the disk
	}
	return u.settle(u.Upload.Commit, u.cuts)
}

// Abort implements [Upload].
func (u *countedUpload) Abort() error { return u.settle(u.Upload.Abort, false) }

// settle ends the upload, and counts what is there then. empties says that the end removes
// the content of the file.
func (u *countedUpload) settle(end func() error, empties bool) error {
	u.lock()
	defer u.unlock()
	if u.settled {
		return end() // an error: what is there was counted the first time
	}
	u.settled = true
	defer u.quota.Release(u.took, u.made)
	if u.place == nil {
		return u.settleHidden(end)
	}
	size, linked := u.place.sizeNow()
	if empties {
		size = 0
	}
	err := end()
	switch {
	case u.place.leftNothing():
	case linked:
		u.quota.Count(size-u.base, u.made)
	default: // removed meanwhile, which was counted; so are its bytes until the next scan
		u.quota.Count(u.wrote, u.made)
	}
	return err
}

// settleHidden is settle for an upload that replaces the file of that name at its end. Of a
// storage of unknown ways it counts too much rather than too little.
func (u *countedUpload) settleHidden(end func() error) error {
	before, was := u.there()
	err := end()
	after, is := u.there()
	switch u.Upload.(type) {
	case *upload, *memoryUpload:
	default:
		before, was = min(before, u.base), min(was, 1-u.made)
	}
	u.quota.Count(after-before, is-was)
	return err
}

// there is what the name has: its bytes, and 1 if there is a file.
func (u *countedUpload) there() (bytes, files int64) {
	info, err := u.access.describe(u.name, true)
	if err != nil {
		return 0, 0
	}
	return bytesOf(info), 1
}

// makes counts a new folder or link around the call that makes it.
func (a *Access) makes(call func() error) error {
	if a.Quota == nil {
		return call()
	}
	if err := a.Quota.Reserve(0, 1); err != nil {
		return err
	}
	defer a.Quota.Release(0, 1)
	err := call()
	if err == nil {
		a.Quota.Count(0, 1)
	}
	return err
}

// removing is the storage of a removal, which counts what that removes.
type removing struct {
	RemoveFS
	access *Access
}

// Remove implements [RemoveFS].
func (r removing) Remove(name string) error {
	quota := r.access.Quota
	quota.Lock()
	defer quota.Unlock()
	info, err := r.access.describe(name, true)
	if err != nil {
		return err
	}
	if err := r.RemoveFS.Remove(name); err != nil {
		return err
	}
	quota.Count(-bytesOf(info), -1)
	return nil
}

// ReadDir implements [fs.ReadDirFS].
func (r removing) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.RemoveFS, name) }

// rename counts the file that a rename replaces.
func (a *Access) rename(ctx context.Context, storage RenameFS, from, to string) error {
	if a.Quota == nil {
		return storage.Rename(ctx, from, to)
	}
	a.Quota.Lock()
	defer a.Quota.Unlock()
	moved, err := a.describe(from, true)
	if err != nil {
		return err
	}
	lost, missing := a.describe(to, true)
	if err := a.move(ctx, storage, from, to); err != nil {
		return err
	}
	if missing == nil && from != to && !SameFile(moved, lost) {
		a.Quota.Count(-bytesOf(lost), -1)
	}
	return nil
}

// move renames. A copy to another disk takes its time, and is not waited for by others: the
// quota is locked before and after.
func (a *Access) move(ctx context.Context, storage RenameFS, from, to string) error {
	if _, ok := storage.(*Dir); !ok {
		return storage.Rename(ctx, from, to)
	}
	ended, end := context.WithCancel(ctx)
	end()
	err := storage.Rename(ended, from, to)
	if !errors.Is(err, syscall.EXDEV) || ctx.Err() != nil {
		return err
	}
	a.Quota.Unlock()
	defer a.Quota.Lock()
	return storage.Rename(ctx, from, to)
}

// space is what a quota leaves of the room in a storage; err says that the storage does not
// tell.
func (a *Access) space(n int64, err error) (int64, error) {
	if a.Quota == nil {
		return n, err
	}
	left, files := a.Quota.Left()
	if files <= 0 {
		left = 0
	}
	switch {
	case err == nil:
		return min(n, max(left, 0)), nil
	case errors.Is(err, errors.ErrUnsupported) && left < math.MaxInt64:
		return max(left, 0), nil
	}
	return n, err
}

// Usage is what a storage holds, counted as a [Quota] does.
type Usage struct{ Bytes, Files int64 }

// Measure counts what is in a storage. It leaves out what it cannot describe, and what
// vanishes meanwhile; other errors, and the end of ctx, stop it.
func Measure(ctx context.Context, fsys fs.FS) (Usage, error) {
	var all Usage
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil
		case err != nil && (name == "." || !errors.Is(err, fs.ErrPermission)):
			return err
		case err != nil || name == ".":
			return nil
		}
		all.Files++
		if info, err := entry.Info(); err == nil {
			all.Bytes += bytesOf(info)
		}
		return nil
	})
	return all, err
}
