package fsbridge

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// staleAge is how old the last write to the file of a hidden upload must be for the file
// to be a leftover, if locks do not tell.
const staleAge = 24 * time.Hour

const (
	sweepDepth   = 32   // how many folders are open at a time; deeper ones wait
	sweepPending = 1000 // how many folders may wait
	sweepPage    = 256  // how many entries are read at a time
)

var errTooMany = errors.New("too many folders this deep")

// Sweep removes the leftovers of hidden uploads (see [DirOptions]): the files of uploads
// whose process ended before Commit or Abort. It returns how many it has removed, and the
// first error that kept it from looking everywhere, such as that of a folder that may not
// be read, or of ctx. It follows no links. It may be called at any time, also while
// uploads go on, and by several processes.
//
// An upload locks its file as long as it lasts. On Linux, on a file system that only this
// machine can mount, a file without a lock is therefore a leftover. Elsewhere somebody
// may hold a lock that Sweep does not see: there a file must also have been unchanged for
// a day. A file with a time in the future is not old enough.
func (d *Dir) Sweep(ctx context.Context) (removed int, err error) {
	s := sweep{dir: d, ctx: ctx, pending: []string{"."}}
	for len(s.pending) > 0 && ctx.Err() == nil {
		last := len(s.pending) - 1
		name := s.pending[last]
		s.pending = s.pending[:last]
		s.folder(name, 0)
	}
	return s.removed, cmp.Or(ctx.Err(), s.err)
}

// sweep is one run of [Dir.Sweep].
type sweep struct {
	dir     *Dir
	ctx     context.Context
	pending []string // folders to look at later, at depth 0
	removed int
	err     error // the first
}

// note keeps the first error. It ignores that a file has vanished meanwhile.
func (s *sweep) note(name string, err error) {
	if s.err == nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.err = s.dir.fault("sweep", name, err)
	}
}

// folder sweeps a folder and those in it. depth is how many folders are open.
func (s *sweep) folder(name string, depth int) {
	if depth == sweepDepth {
		if len(s.pending) < sweepPending {
			s.pending = append(s.pending, name)
		} else {
			s.note(name, errTooMany)
		}
		return
	}
	f, err := s.dir.openFolder(name)
	if err != nil {
		s.note(name, err)
		return
	}
	defer f.Close()
	for s.ctx.Err() == nil {
		entries, err := f.read(sweepPage)
		for _, e := range entries {
			switch below := path.Join(name, e.name); {
			case s.ctx.Err() != nil:
				return
			case e.mode.IsDir():
				s.folder(below, depth+1)
			case e.leftover():
				stale, err := f.removeStale(e.name)
				s.note(below, err)
				if stale {
					s.removed++
				}
			}
		}
		if err != nil {
			if err != io.EOF {
				s.note(name, err)
			}
			return
		}
	}
}

// clear removes the leftovers from a folder, if it has no other entries, and says whether
// it is empty then.
func (d *Dir) clear(name string) bool {
	all := func(of func(f *folder, e entry) bool) bool {
		f, err := d.openFolder(name)
		if err != nil {
			return false
		}
		defer f.Close()
		for {
			entries, err := f.read(sweepPage)
			for _, e := range entries {
				if !of(f, e) {
					return false
				}
			}
			if err != nil {
				return err == io.EOF
			}
		}
	}
	return all(func(_ *folder, e entry) bool { return e.leftover() }) &&
		all(func(f *folder, e entry) bool {
			stale, _ := f.removeStale(e.name)
			return stale
		})
}

// folder is a directory whose leftovers are looked for.
type folder struct {
	parent
	dir   *Dir
	file  *os.File
	ahead folderAhead // what read has got and not yet returned
}

// entry is an entry of a folder. mode has its type only.
type entry struct {
	name string
	mode fs.FileMode
}

// leftover says whether an entry may be a leftover: the file of a hidden upload, or the
// link that moveLink makes.
func (e entry) leftover() bool {
	return hiddenByUs(e.name) && (e.mode.IsRegular() || e.mode == fs.ModeSymlink)
}

func (d *Dir) openFolder(name string) (*folder, error) {
	p, err := d.way.parent(name)
	if err != nil {
		return nil, err
	}
	file, err := p.openFile(".", os.O_RDONLY, 0)
	if err != nil {
		p.Close()
		return nil, err
	}
	return &folder{parent: p, dir: d, file: file}, nil
}

func (f *folder) Close() error { return errors.Join(f.file.Close(), f.parent.Close()) }

// describe finds the type of an entry: irregular, so that it is left alone, if that fails.
func (f *folder) describe(name string) entry {
	info, err := f.lstat(name)
	if err != nil {
		return entry{name, fs.ModeIrregular}
	}
	return entry{name, typed(info).Mode().Type()}
}

// removeStale removes a hidden file, or link, if it is a leftover, and says whether it
// did. It locks the file until then, so that no upload gets it.
func (f *folder) removeStale(name string) (bool, error) {
	info, err := f.lstat(name)
	if err != nil {
		return false, err
	}
	unused := false // true if it is certain that no upload has the file
	if info.Mode().IsRegular() {
		file, err := f.openFile(name, os.O_RDONLY|openFlags, 0)
		if errors.Is(err, fs.ErrPermission) { // to lock a file, the right to write it is enough
			file, err = f.openFile(name, os.O_WRONLY|openFlags, 0)
		}
		switch {
		case err == nil:
			defer file.Close()
			err = f.dir.checkUnlocked(file, info)
			if err != nil && err != errNoLocks {
				return false, nil // an upload has it, or may have it
			}
			if err == nil {
				defer funlock(file)
				unused = onLocalDisk(file)
			}
		case !errors.Is(err, fs.ErrPermission): // a file that cannot be opened has an age, too
			return false, err
		}
	}
	if !unused && time.Since(info.ModTime()) <= staleAge {
		return false, nil
	}
	err = f.remove(name)
	return err == nil, err
}
