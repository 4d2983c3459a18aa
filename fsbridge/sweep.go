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

// staleAge is how long nobody must have written to an upload that looks unfinished
// before it is taken for a leftover, where locks do not tell.
const staleAge = 24 * time.Hour

// Of a folder with folders so deep, some are looked at after the others, so that few
// are open at a time; sweepAhead bounds how many.
const (
	sweepDepth = 32
	sweepAhead = 1000
	sweepPage  = 256
)

var errTooMany = errors.New("too many folders this deep")

// Sweep removes what hidden uploads (see [DirOptions]) have left whose process came to
// its end before they did. It says how many, and what first kept it from looking
// everywhere: a folder that may not be read, or the end of ctx. Links are not
// followed. It may be called at any time, also while uploads go on, and by several
// processes.
//
// An upload holds a lock as long as it lives, and so what holds none is a leftover,
// on a file system that is of this machine alone. Where others could hold locks that
// are not seen, or where there are none, and on other systems than Linux, it must also
// have been left alone for a day. What was changed in the future has not.
func (d *Dir) Sweep(ctx context.Context) (removed int, err error) {
	s := sweep{dir: d, ctx: ctx, ahead: []string{"."}}
	for len(s.ahead) > 0 && ctx.Err() == nil {
		last := len(s.ahead) - 1
		name := s.ahead[last]
		s.ahead = s.ahead[:last]
		s.folder(name, 0)
	}
	return s.removed, cmp.Or(ctx.Err(), s.err)
}

// sweep is one run of [Dir.Sweep].
type sweep struct {
	dir     *Dir
	ctx     context.Context
	ahead   []string // folders to begin anew with
	removed int
	err     error // the first
}

// met notes an error. What has vanished meanwhile is none.
func (s *sweep) met(name string, err error) {
	if s.err == nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.err = s.dir.fault("sweep", name, err)
	}
}

func (s *sweep) folder(name string, depth int) {
	if depth == sweepDepth {
		if len(s.ahead) < sweepAhead {
			s.ahead = append(s.ahead, name)
		} else {
			s.met(name, errTooMany)
		}
		return
	}
	f, err := s.dir.openFolder(name)
	if err != nil {
		s.met(name, err)
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
				if s.met(below, err); stale {
					s.removed++
				}
			}
		}
		if err != nil {
			if err != io.EOF {
				s.met(name, err)
			}
			return
		}
	}
}

// clear removes leftovers from a folder that has nothing else, and says whether it
// is empty then.
func (d *Dir) clear(name string) bool {
	only := func(of func(f *folder, e entry) bool) bool {
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
	return only(func(_ *folder, e entry) bool { return e.leftover() }) &&
		only(func(f *folder, e entry) bool {
			stale, _ := f.removeStale(e.name)
			return stale
		})
}

// folder is a directory whose entries are read to be removed.
type folder struct {
	parent
	dir  *Dir
	file *os.File
	rest []byte // of what the system has said of it and nobody has read
}

// entry is what a folder holds. Of its mode only the type is known.
type entry struct {
	name string
	mode fs.FileMode
}

// leftover says whether an entry may be one: a file or, of a link that was being
// moved, a link.
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

// describe finds the type of an entry that was read without. One that cannot be
// described is left alone.
func (f *folder) describe(name string) entry {
	info, err := f.lstat(name)
	if err != nil {
		return entry{name, fs.ModeIrregular}
	}
	return entry{name, typed(info).Mode().Type()}
}

// removeStale removes a hidden file if no upload writes to it any more, and says
// whether it did. Until it is removed it is locked, so that nobody begins to.
func (f *folder) removeStale(name string) (bool, error) {
	info, err := f.lstat(name)
	if err != nil {
		return false, err
	}
	alone := false
	if info.Mode().IsRegular() {
		file, err := f.openStale(name)
		switch {
		case err == nil:
			defer file.Close()
			err = f.dir.lookAtLock(file, info)
			if err != nil && err != errNoLocks {
				return false, nil // an upload has it
			}
			if err == nil {
				defer funlock(file)
				alone = ofThisMachine(file)
			}
		case !errors.Is(err, fs.ErrPermission): // its lock is not seen, but its age is
			return false, err
		}
	}
	if !alone && time.Since(info.ModTime()) <= staleAge {
		return false, nil
	}
	err = f.remove(name)
	return err == nil, err
}

// openStale opens a file that its owner perhaps may only write.
func (f *folder) openStale(name string) (*os.File, error) {
	file, err := f.openFile(name, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrPermission) {
		file, err = f.openFile(name, os.O_WRONLY|openFlags, 0)
	}
	return file, err
}
