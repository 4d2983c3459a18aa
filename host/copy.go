package host

import (
	"context"
	"syscall"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// fileCopy begins to copy a file: an upload that is filled from a file instead of a data
// connection. If both are the kernel's own, the kernel copies, and may share the blocks.
func (sh *shard) fileCopy(a *wasm.Args) wasi.Errno {
	s, files, from, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	to, ok := s.name(a, 2)
	flags, allow := a.Uint32(3), s.config.Allow
	switch {
	case !ok || from == to || flags&^wasi.CopyAppend != 0:
		return wasi.EINVAL
	case !allow.SiteCopy && !allow.Combine:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileCopy, name: from, to: to, flags: flags}
	handle, opened, errno := s.askOpen(key, to, from, func(ctx context.Context, f *openFile) (wasi.Stat, error) {
		return f.openCopy(ctx, files, flags)
	})
	if errno != wasi.OK {
		return errno
	}
	t := opened.file.begin(handle, wasi.DoingCopy)
	t.length = int64(opened.stat.Size) // a file that grows meanwhile would never end
	t.labour = s.labour(t.ctx)
	sh.server.work.Go(func() { t.run(handle) })
	putUint32(a.Bytes(4), handle)
	return wasi.OK
}

// openCopy opens both files, and describes the source. Opening the target may empty it, so
// it must not be the source by another name.
func (f *openFile) openCopy(ctx context.Context, files *fsbridge.Access, flags uint32) (wasi.Stat, error) {
	target := "/" + f.name
	if err := f.session.mayChange(ctx, f.user, Change{Kind: ChangeCopy, Path: "/" + f.from, To: target}); err != nil {
		return wasi.Stat{}, err
	}
	source := &openFile{session: f.session, user: f.user, folder: f.folder, name: f.from}
	stat, err := source.openDownload(ctx, files, 0, target)
	if err != nil {
		return wasi.Stat{}, err
	}
	defer func() { // also when the storage panics
		if f.source == nil {
			source.reader.Close()
		}
	}()
	if files.SameFile(source.reader, f.name) {
		return wasi.Stat{}, syscall.EINVAL
	}
	open := uint32(wasi.OpenWrite | wasi.OpenTruncate)
	if flags&wasi.CopyAppend != 0 {
		open = wasi.OpenWrite | wasi.OpenAppend
	}
	if _, err := f.openUpload(ctx, files, open, 0); err != nil {
		return wasi.Stat{}, err
	}
	f.source = source.reader
	return stat, nil
}
