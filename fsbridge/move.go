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

// Rename moves a file or a directory. A file is replaced by a file, an empty
// directory by a directory. An upload that is being written in place to the replaced
// file ends as if it had ended before: its bytes go with the file.
//
// From one disk to another it copies and deletes. The copy is hidden until it is whole
// and on the disk; it keeps the permissions, the time and, if the process may give files
// away, the owner. A directory is not copied: that is an error that is [syscall.EXDEV].
// A ctx that has ended before has nothing copied: that is EXDEV, too.
// When it fails, or ctx ends, all is as it was before; but a file that cannot be removed
// once its copy is there stays beside that, with the error. A file that is being uploaded
// is not copied either, with an error that is [syscall.EBUSY].
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

// moveLink makes the link anew, with the same text, and removes the old one.
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
	up, err := d.twin(info, to)
	if err != nil {
		return err
	}
	if err := copyAll(ctx, up.file, file); err != nil {
		up.Abort()
		return err
	}
	up.folder.chtimes(up.temporary, info.ModTime()) // as far as the disk keeps times
	if err := up.Commit(); err != nil {
		return err
	}
	if now, err := p.lstat(base); err != nil || !os.SameFile(now, info) {
		return err // another file has taken the name
	}
	return p.remove(base)
}

// twin begins a hidden upload that has the permissions and the owner of a file.
func (d *Dir) twin(info fs.FileInfo, to string) (*upload, error) {
	u := &upload{dir: d}
	var err error
	if u.folder, u.base, err = d.parent(to); err != nil {
		return nil, err
	}
	if there, err := u.folder.lstat(u.base); err == nil && there.IsDir() {
		u.folder.Close()
		return nil, syscall.EISDIR
	}
	if err := u.hideLike(info); err != nil {
		return nil, err
	}
	return u, nil
}

// copyPiece is how much the kernel copies before ctx is looked at.
const copyPiece = 8 << 20

func copyAll(ctx context.Context, to io.Writer, from io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, copyPiece); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
