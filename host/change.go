package host

import (
	"context"
	"encoding/binary"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// change asks for a change of a file, after the hook, and sends the event if that succeeds.
func (s *session) change(key questionKey, c Change, work func(context.Context) error) wasi.Errno {
	user := s.user()
	_, errno := s.ask(key, func(ctx context.Context) answer {
		err := s.mayChange(ctx, user, c)
		if err == nil {
			err = work(ctx)
		}
		if err == nil {
			s.observe(Event{Kind: changeEvents[c.Kind], Verb: changeVerbs[c.Kind], User: user, Path: c.Path, To: c.To})
		}
		return failed(err)
	})
	return errno
}

// fileMake makes a directory or a symbolic link.
func (sh *shard) fileMake(a *wasm.Args) wasi.Errno {
	if len(a.Bytes(2)) > 0 {
		return sh.fileLink(a)
	}
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	made := Change{Kind: ChangeMkdir, Path: "/" + name}
	return s.change(questionKey{call: wasi.FileMake, name: name}, made, func(context.Context) error {
		return files.Mkdir(name, s.permissions(0o777))
	})
}

func (sh *shard) fileLink(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	target, ok := s.name(a, 2)
	switch {
	case !ok:
		return wasi.EINVAL
	case !s.config.Allow.SiteSymlink:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileMake, name: name, to: target}
	return s.change(key, Change{Kind: ChangeLink, Path: "/" + name, To: "/" + target}, func(context.Context) error {
		return files.Symlink(target, name)
	})
}

func (sh *shard) fileRemove(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	kind, gone := a.Uint32(2), Change{Kind: ChangeDelete, Path: "/" + name}
	remove := func(context.Context) error { return files.Remove(name, kind == wasi.RemoveDir) }
	switch kind {
	case wasi.RemoveFile:
	case wasi.RemoveDir:
		gone.Kind = ChangeRmdir
	case wasi.RemoveTree:
		if !s.config.Allow.SiteRmdir {
			return wasi.EACCES
		}
		gone.Kind = ChangeRmtree
		user := s.user()
		remove = func(ctx context.Context) error { return s.pruning(ctx, user, files, name).RemoveTree(ctx, name) }
	default:
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileRemove, name: name, flags: kind}
	return s.change(key, gone, remove)
}

func (sh *shard) fileRename(a *wasm.Args) wasi.Errno {
	s, files, from, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	to, ok := s.name(a, 2)
	if !ok {
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileRename, name: from, to: to}
	return s.change(key, Change{Kind: ChangeRename, Path: "/" + from, To: "/" + to}, func(ctx context.Context) error {
		return files.Rename(ctx, from, to)
	})
}

// fileSet sets one attribute of a file.
func (sh *shard) fileSet(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	attribute, value := a.Uint32(2), a.Int64(3)
	to := Change{Kind: ChangeTime, Path: "/" + name, Time: time.Unix(0, value)}
	set := func(context.Context) error { return files.Chtimes(name, to.Time) }
	switch attribute {
	case wasi.SetTime:
	case wasi.SetMode:
		to = Change{Kind: ChangeMode, Path: "/" + name, Mode: fsbridge.ModeOf(uint32(value))}
		set = func(context.Context) error { return files.Chmod(name, to.Mode) }
	default:
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileSet, name: name, flags: attribute, number: value}
	return s.change(key, to, set)
}

func (sh *shard) fileSpace(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	result, errno := s.ask(questionKey{call: wasi.FileSpace, name: name}, func(context.Context) answer {
		n, err := files.Space(name)
		a := failed(err)
		a.stat.Size = uint64(n)
		return a
	})
	binary.LittleEndian.PutUint64(a.Bytes(2), result.stat.Size)
	return errno
}
