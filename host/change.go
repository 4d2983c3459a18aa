package host

import (
	"context"
	"encoding/binary"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// change asks for work on a file, and sends the event if that succeeds.
func (s *session) change(key questionKey, e Event, work func(context.Context) error) wasi.Errno {
	e.User = s.user()
	_, errno := s.ask(key, func(ctx context.Context) answer {
		err := work(ctx)
		if err == nil {
			s.observe(e)
		}
		return answer{errno: errnoOf(err)}
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
	return s.change(questionKey{call: wasi.FileMake, name: name}, Event{Kind: Made, Path: "/" + name}, func(context.Context) error {
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
	case !sh.server.config.Allow.SiteSymlink:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileMake, name: name, to: target}
	return s.change(key, Event{Kind: Linked, Path: "/" + name, To: "/" + target}, func(context.Context) error {
		return files.Symlink(target, name)
	})
}

func (sh *shard) fileRemove(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	kind := a.Uint32(2)
	remove := func(context.Context) error { return files.Remove(name, kind == wasi.RemoveDir) }
	switch kind {
	case wasi.RemoveFile, wasi.RemoveDir:
	case wasi.RemoveTree:
		if !sh.server.config.Allow.SiteRmdir {
			return wasi.EACCES
		}
		remove = func(ctx context.Context) error { return files.RemoveTree(ctx, name) }
	default:
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileRemove, name: name, flags: kind}
	return s.change(key, Event{Kind: Deleted, Path: "/" + name}, remove)
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
	return s.change(key, Event{Kind: Renamed, Path: "/" + from, To: "/" + to}, func(ctx context.Context) error {
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
	set := func(context.Context) error { return files.Chtimes(name, time.Unix(0, value)) }
	switch attribute {
	case wasi.SetTime:
	case wasi.SetMode:
		set = func(context.Context) error { return files.Chmod(name, fsbridge.ModeOf(uint32(value))) }
	default:
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileSet, name: name, flags: attribute, number: value}
	return s.change(key, Event{Kind: Changed, Path: "/" + name}, set)
}

func (sh *shard) fileSpace(a *wasm.Args) wasi.Errno {
	s, files, name, errno := sh.files(a)
	if errno != wasi.OK {
		return errno
	}
	result, errno := s.ask(questionKey{call: wasi.FileSpace, name: name}, func(context.Context) answer {
		n, err := files.Space(name)
		return answer{errno: errnoOf(err), stat: wasi.Stat{Size: uint64(n)}}
	})
	binary.LittleEndian.PutUint64(a.Bytes(2), result.stat.Size)
	return errno
}
