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

// Dir's own methods of the interface [way] resolve a symbolic link whose target begins
// with "/" from the root, as after chroot. Those of d.way refuse such a link.

func (d *Dir) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	follow := flag&os.O_EXCL == 0
	return within(d, name, follow, func(name string) (*os.File, error) { return d.way.open(name, flag, perm) })
}

func (d *Dir) stat(name string) (fs.FileInfo, error)  { return within(d, name, true, d.way.stat) }
func (d *Dir) lstat(name string) (fs.FileInfo, error) { return within(d, name, false, d.way.lstat) }

func (d *Dir) readlink(name string) (string, error) { return within(d, name, false, d.way.readlink) }

func (d *Dir) chmod(name string, mode fs.FileMode) error {
	_, err := within(d, name, true, func(name string) (struct{}, error) { return struct{}{}, d.way.chmod(name, mode) })
	return err
}

func (d *Dir) chtimes(name string, mtime time.Time) error {
	_, err := within(d, name, true, func(name string) (struct{}, error) { return struct{}{}, d.way.chtimes(name, mtime) })
	return err
}

func (d *Dir) list(name string, file *os.File) (lister, error) {
	return within(d, name, true, func(name string) (lister, error) { return d.way.list(name, file) })
}

// parent opens the directory of the file name, which need not exist. base is the last
// element of name.
func (d *Dir) parent(name string) (p parent, base string, err error) {
	p, err = within(d, path.Dir(name), true, d.way.parent)
	return p, path.Base(name), err
}

// within calls do with a name. If do fails because a symbolic link leads out of the root,
// within calls it once more, with the name that resolve returns: that takes targets that
// begin with "/" from the root. do checks the second name like the first. follow says
// whether do follows a link that is the last element.
func within[T any](d *Dir, name string, follow bool, do func(name string) (T, error)) (T, error) {
	result, err := do(name)
	if err == nil || !d.leadsOut(err) || d.options.NoLinks {
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

// leadsToHidden says whether name is a symbolic link that leads to an unfinished upload.
// No Dir makes such a link, but others can.
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

// resolve replaces the symbolic links in name by their targets, the last element only
// with follow. Links may change meanwhile, so callers must not trust the result: what
// opens it has to check again that it stays inside.
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
			continue // it is no link, or the call with the whole name will tell the error
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
		resolved += "/." // it asks whether the directory may be searched
	}
	return resolved, nil
}
