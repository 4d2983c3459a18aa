package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// maxLinks is how many symbolic links a name may go through, as on Linux.
const maxLinks = 40

// The methods of a [way], for which a symbolic link whose target begins with "/"
// begins at the root, as after chroot.

func (d *Dir) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	follow := flag&os.O_EXCL == 0
	return within(d, name, follow, func(name string) (*os.File, error) { return d.way.open(name, flag, perm) })
}

func (d *Dir) stat(name string) (fs.FileInfo, error)  { return within(d, name, true, d.way.stat) }
func (d *Dir) lstat(name string) (fs.FileInfo, error) { return within(d, name, false, d.way.lstat) }

func (d *Dir) readlink(name string) (string, error) {
	return within(d, name, false, d.way.readlink)
}

func (d *Dir) chmod(name string, mode fs.FileMode) error {
	_, err := within(d, name, true, func(name string) (struct{}, error) { return struct{}{}, d.way.chmod(name, mode) })
	return err
}

func (d *Dir) chtimes(name string, mtime time.Time) error {
	_, err := within(d, name, true, func(name string) (struct{}, error) { return struct{}{}, d.way.chtimes(name, mtime) })
	return err
}

func (d *Dir) list(name string, file *os.File) (*os.Root, error) {
	return within(d, name, true, func(name string) (*os.Root, error) { return d.way.list(name, file) })
}

// parent opens the directory that holds the file name, or would.
func (d *Dir) parent(name string) (p parent, base string, err error) {
	p, err = within(d, path.Dir(name), true, d.way.parent)
	return p, path.Base(name), err
}

// within does something to a file, and once more by the name without links if a
// link has led out. Whether that name leads out is for the way to say again.
func within[T any](d *Dir, name string, follow bool, do func(name string) (T, error)) (T, error) {
	result, err := do(name)
	if err == nil || !d.leadsOut(err) {
		return result, err
	}
	resolved, fault := resolve(d.way, name, follow)
	if fault == nil && hiddenName(resolved) {
		fault = fs.ErrNotExist
	}
	if fault != nil {
		return result, fault
	}
	return do(resolved)
}

// leadsToHidden says whether a name is that of a link that leads to an unfinished
// upload. Nobody makes one through a Dir.
func leadsToHidden(w way, name string) bool {
	info, err := w.lstat(name)
	if err != nil || info.Mode().Type() != fs.ModeSymlink {
		return false
	}
	name, err = resolve(w, name, true)
	return err == nil && hiddenName(name)
}

func (d *Dir) leadsOut(err error) bool {
	return errors.Is(err, errOutside) || d.outside != nil && errors.Is(err, d.outside)
}

// resolve is name without links, but for a last one if that is not to be followed.
// Links that change meanwhile make it wrong, which is why nobody trusts it.
func resolve(w way, name string, follow bool) (string, error) {
	var done []string
	links := 0
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(done) == 0 {
				return "", errOutside
			}
			done = done[:len(done)-1]
			continue
		}
		done = append(done, element)
		if len(rest) == 0 && !follow {
			break
		}
		target, err := w.readlink(path.Join(done...))
		if err != nil {
			continue // it is no link, or the way will tell what else is wrong
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		if done = done[:len(done)-1]; path.IsAbs(target) {
			done = nil
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	resolved := path.Join(append(done, ".")...)
	if strings.HasSuffix(name, "/.") {
		resolved += "/." // of a directory that must be one to enter
	}
	return resolved, nil
}
