package fsbridge

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Rename moves a file or a directory. A file replaces a file, a directory an empty
// directory. If a file is replaced while an upload in place writes to it, the bytes of the
// upload are lost with that file.
//
// From one disk to another, Rename copies the file and deletes it. The copy is hidden
// until it is whole and on the disk. It keeps the permissions, the time and, if the
// process may give files away, the owner. Directories are not copied: the error is
// [syscall.EXDEV]. It is the same for all files if ctx has ended before the call. For a
// file that is being uploaded it is [syscall.EBUSY]. When the copy fails, or ctx ends, all
// is as it was before. When only the removal of the original fails, both files stay.
func (d *Dir) Rename(ctx context.Context, from, to string) error {
	err := d.rename(from, to)
	if !errors.Is(err, syscall.EXDEV) || ctx.Err() != nil {
		return err
	}
	return d.changeIn("rename", from, func(p parent, base string) error {
		info, err := p.lstat(base)
		switch {
		case err != nil:
			return err
		case info.Mode().Type() == fs.ModeSymlink:
			return d.moveLink(p, base, from, to)
		case info.Mode().IsRegular():
			return d.moveFile(ctx, p, base, to)
		}
		return syscall.EXDEV
	})
}

// moveLink makes a symbolic link of the same target on the other disk, and removes the
// old one.
func (d *Dir) moveLink(p parent, base, from, to string) error {
	target, err := d.readlink(from)
	if err != nil {
		return err
	}
	return d.inParent(to, func(other parent, name string) error {
		hidden := hiddenPrefix + rand.Text()
		if err := other.symlink(target, hidden); err != nil {
			return err
		}
		if err := other.rename(hidden, other, name); err != nil {
			other.remove(hidden)
			return err
		}
		return p.remove(base)
	})
}

func (d *Dir) moveFile(ctx context.Context, p parent, base, to string) error {
	file, err := p.openFile(base, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	hold, err := d.lock(file)
	if err != nil {
		return err
	}
	defer hold.release()
	info := hold.info
	if !info.Mode().IsRegular() {
		return errSpecial
	}
	up, err := d.createLike(info, to)
	if err != nil {
		return err
	}
	if err := copyAll(ctx, up.file, file); err != nil {
		up.Abort()
		return err
	}
	up.folder.chtimes(up.temporary, info.ModTime()) // the disk may not keep times
	if err := up.Commit(); err != nil {
		return err
	}
	if now, err := p.lstat(base); err != nil || !os.SameFile(now, info) {
		return err // another file has taken the name
	}
	return p.remove(base)
}

// createLike begins a hidden upload to the name to, with the permissions and the owner of
// the file that info describes.
func (d *Dir) createLike(info fs.FileInfo, to string) (u *upload, err error) {
	u = &upload{dir: d}
	if u.folder, u.base, err = d.parent(to); err != nil {
		return nil, err
	}
	if there, err := u.folder.lstat(u.base); err == nil && there.IsDir() {
		u.folder.Close()
		return nil, syscall.EISDIR
	}
	return u, u.hideLike(info)
}

// copyPiece is how many bytes are copied between two checks of ctx.
const copyPiece = 8 << 20

func copyAll(ctx context.Context, to io.Writer, from io.Reader) error {
	for ctx.Err() == nil {
		_, err := io.CopyN(to, from, copyPiece)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
