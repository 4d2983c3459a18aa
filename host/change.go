package host

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"
	"time"

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
func (sh *shard) fileMake(a *args) wasi.Errno {
	if len(a.bytes(2)) > 0 {
		return sh.fileLink(a)
	}
	s, fsys, name, errno := sh.files(a, MakeDir)
	if errno != wasi.OK {
		return errno
	}
	return s.change(questionKey{call: wasi.FileMake, name: name}, Event{Kind: Made, Path: "/" + name}, func(context.Context) error {
		return using(fsys, func(m MkdirFS) error { return m.Mkdir(name) })
	})
}

func (sh *shard) fileLink(a *args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, Write)
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

func (sh *shard) fileRemove(a *args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, Delete)
	if errno != wasi.OK {
		return errno
	}
	kind := a.uint32(2)
	switch {
	case kind > wasi.RemoveTree:
		return wasi.EINVAL
	case kind == wasi.RemoveTree && !sh.server.config.Allow.SiteRmdir:
		return wasi.EACCES
	}
	key := questionKey{call: wasi.FileRemove, name: name, flags: kind}
	return s.change(key, Event{Kind: Deleted, Path: "/" + name}, func(context.Context) error {
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
		return remove(name)
	})
}

// removal is how files remove one kind of thing; nil when they cannot.
func removal(fsys FS, kind uint32) func(name string) error {
	if kind == wasi.RemoveTree {
		if r, ok := fsys.(RemoveAllFS); ok {
			return r.RemoveAll
		}
	} else if r, ok := fsys.(RemoveFS); ok {
		return r.Remove
	}
	return nil
}

func (sh *shard) fileRename(a *args) wasi.Errno {
	s, fsys, from, errno := sh.files(a, Rename)
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
			if _, err := describe(fsys, to, true); err == nil && !s.can(Delete) && from != to {
				return fs.ErrPermission
			}
			err := r.Rename(from, to)
			if errnoOf(err) == wasi.EXDEV {
				return s.move(ctx, fsys, from, to, err)
			}
			return err
		})
	})
}

// move renames from one disk to another, which means to read, write and delete
// there. err is what comes of it where that cannot, or may not, be done.
func (s *session) move(ctx context.Context, fsys FS, from, to string, err error) error {
	mover, ok := fsys.(MoveFS)
	if !ok || !s.can(Read|Write|Delete) {
		return err
	}
	return mover.Move(ctx, from, to)
}

// fileSet sets one attribute of a file.
func (sh *shard) fileSet(a *args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, Write)
	if errno != wasi.OK {
		return errno
	}
	attribute, value := a.uint32(2), a.int64(3)
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

func (sh *shard) fileSpace(a *args) wasi.Errno {
	s, fsys, name, errno := sh.files(a, Write)
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
	binary.LittleEndian.PutUint64(a.bytes(2), result.stat.Size)
	return errno
}
