package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// change asks for something to be done to a file, and has it observed.
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

// using calls what files may have besides being read.
func using[T FS](fsys FS, call func(T) error) error {
	if able, ok := fsys.(T); ok {
		return call(able)
	}
	return errors.ErrUnsupported
}

// fileMake makes a directory or a symbolic link.
func (sh *shard) fileMake(a *wasm.Args) wasi.Errno {
	if len(a.Bytes(2)) > 0 {
		return sh.fileLink(a)
	}
	s, fsys, name, errno := sh.files(a, RightMkdir)
	if errno != wasi.OK {
		return errno
	}
	return s.change(questionKey{call: wasi.FileMake, name: name}, Event{Kind: Made, Path: "/" + name}, func(context.Context) error {
		return using(fsys, func(m MkdirFS) error { return m.Mkdir(name, s.permissions(0o777)) })
	})
}

func (sh *shard) fileLink(a *wasm.Args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, RightWrite)
	if errno != wasi.OK {
		return errno
	}
	target, ok := s.name(a, 2)
	switch {
	case !ok || name == "." || target == ".":
		return wasi.EINVAL
	case !sh.server.config.Allow.SiteSymlink:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileMake, name: name, to: target}
	return s.change(key, Event{Kind: Linked, Path: "/" + name, To: "/" + target}, func(context.Context) error {
		return using(fsys, func(l SymlinkFS) error { return l.Symlink(target, name) })
	})
}

func (sh *shard) fileRemove(a *wasm.Args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, RightDelete)
	if errno != wasi.OK {
		return errno
	}
	kind := a.Uint32(2)
	switch {
	case kind > wasi.RemoveTree:
		return wasi.EINVAL
	case kind == wasi.RemoveTree && !sh.server.config.Allow.SiteRmdir:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileRemove, name: name, flags: kind}
	return s.change(key, Event{Kind: Deleted, Path: "/" + name}, func(ctx context.Context) error {
		remove := removal(fsys, kind)
		if remove == nil {
			return errors.ErrUnsupported
		}
		// Whoever may delete a file may know its kind, which the storage does
		// not ask about.
		info, err := describe(fsys, name, true)
		switch {
		case err != nil:
			return err
		case name == ".":
			return fs.ErrPermission
		case kind != wasi.RemoveFile && !info.IsDir():
			return syscall.ENOTDIR
		case kind == wasi.RemoveFile && info.IsDir():
			return syscall.EISDIR
		}
		return remove(ctx, name)
	})
}

// removal is how files remove one kind of thing; nil when they cannot.
func removal(fsys FS, kind uint32) func(ctx context.Context, name string) error {
	r, ok := fsys.(RemoveFS)
	switch {
	case !ok:
		return nil
	case kind == wasi.RemoveTree:
		return func(ctx context.Context, name string) error { return removeTree(ctx, r, name) }
	}
	return func(_ context.Context, name string) error { return r.Remove(name) }
}

// removeTree removes a directory with all that is in it, one by one: what the storage
// refuses to remove stays, and so does the directory. A link is removed, and not what it
// leads to.
func removeTree(ctx context.Context, fsys RemoveFS, name string) error {
	entries, err := fs.ReadDir(fsys, name)
	for _, entry := range entries {
		if err != nil || ctx.Err() != nil {
			break
		}
		if below := path.Join(name, entry.Name()); entry.Type().IsDir() {
			err = removeTree(ctx, fsys, below)
		} else {
			err = fsys.Remove(below)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // somebody else has removed it
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return err
	}
	return fsys.Remove(name)
}

func (sh *shard) fileRename(a *wasm.Args) wasi.Errno {
	s, fsys, from, errno := sh.files(a, RightRename)
	if errno != wasi.OK {
		return errno
	}
	to, ok := s.name(a, 2)
	if !ok || from == "." || to == "." {
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileRename, name: from, to: to}
	return s.change(key, Event{Kind: Renamed, Path: "/" + from, To: "/" + to}, func(ctx context.Context) error {
		return using(fsys, func(r RenameFS) error {
			if _, err := describe(fsys, to, true); err == nil && !s.can(RightDelete) && from != to {
				return fs.ErrPermission
			}
			if !s.can(RightRead | RightWrite | RightDelete) {
				ended, end := context.WithCancel(ctx)
				end() // to copy to another disk, and delete, is more than to rename
				ctx = ended
			}
			return r.Rename(ctx, from, to)
		})
	})
}

// fileSet sets one attribute of a file.
func (sh *shard) fileSet(a *wasm.Args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, RightWrite)
	if errno != wasi.OK {
		return errno
	}
	attribute, value := a.Uint32(2), a.Int64(3)
	if attribute > wasi.SetMode {
		return wasi.EINVAL
	}
	key := questionKey{call: wasi.FileSet, name: name, flags: attribute, number: value}
	return s.change(key, Event{Kind: Changed, Path: "/" + name}, func(context.Context) error {
		if attribute == wasi.SetTime {
			return using(fsys, func(c ChtimesFS) error { return c.Chtimes(name, time.Unix(0, value)) })
		}
		return using(fsys, func(c ChmodFS) error { return c.Chmod(name, modeOf(uint32(value)&0o7777)) })
	})
}

// upperBits are the permission bits that Go has elsewhere than the system.
var upperBits = [...]struct {
	bit  uint32
	mode fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// bitsOf are a mode's permission bits.
func bitsOf(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, upper := range upperBits {
		if mode&upper.mode != 0 {
			bits |= upper.bit
		}
	}
	return bits
}

// modeOf is the opposite of bitsOf.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits).Perm()
	for _, upper := range upperBits {
		if bits&upper.bit != 0 {
			mode |= upper.mode
		}
	}
	return mode
}

func (sh *shard) fileSpace(a *wasm.Args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, RightWrite)
	if errno != wasi.OK {
		return errno
	}
	result, errno := s.ask(questionKey{call: wasi.FileSpace, name: name}, func(context.Context) answer {
		f, ok := fsys.(SpaceFS)
		if !ok {
			return answer{errno: wasi.ENOSYS}
		}
		n, err := f.Space(name)
		return answer{errno: errnoOf(err), stat: wasi.Stat{Size: uint64(max(n, 0))}}
	})
	binary.LittleEndian.PutUint64(a.Bytes(2), result.stat.Size)
	return errno
}
