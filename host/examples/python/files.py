"""One folder of the operating system, and nothing outside it.

Every folder on the way to a file is opened from the one above it, and none through a
link, so that a link that is changed meanwhile leads nowhere else. It takes a POSIX
system."""

import errno
import os
import stat
from contextlib import contextmanager, suppress

from abi import ABLE, STAT_RECORD, TYPE, Fault, need

FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: never wait for the other end of a pipe
MAX_LINKS = 40


def record(info):
    """The stat record of a file."""
    types = {stat.S_IFREG: TYPE.FILE, stat.S_IFDIR: TYPE.DIR, stat.S_IFLNK: TYPE.LINK}
    mode = types.get(stat.S_IFMT(info.st_mode), TYPE.OTHER) | info.st_mode & 0o777
    return STAT_RECORD.pack(info.st_mtime_ns, info.st_size, mode, info.st_nlink, 0)  # 0: this host does not tell creation times


def read_link(name, folder):
    """The target of a link; None if it is no link."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


class Files:
    abilities = ABLE.UPLOAD | ABLE.TIMES | ABLE.MODES | ABLE.SPACE | ABLE.MKDIR

    def __init__(self, root):
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.uploading = set()  # (device, inode) of files that are written

    @contextmanager
    def at(self, name, follow=True):
        """The open folder of the file that name leads to, and the last element of its name. That
        is no link, unless follow is false. Links must be relative and stay inside."""
        folders, todo, last, links = [os.dup(self.root)], name.split(b"/")[::-1], b".", 0
        try:
            while todo:
                last = todo.pop()
                if last in (b"", b"."):
                    last = b"."
                    continue
                if last == b"..":
                    need(len(folders) > 1, "EACCES")
                    os.close(folders.pop())
                    last = b"."
                    continue
                target = read_link(last, folders[-1]) if todo or follow else None
                if target is not None:
                    links += 1
                    need(links <= MAX_LINKS, "ELOOP")
                    need(not target.startswith(b"/"), "EACCES")
                    todo += target.split(b"/")[::-1]
                    last = b"."
                elif todo:
                    folders.append(os.open(last, FOLDER, dir_fd=folders[-1]))
                    last = b"."
            yield folders[-1], last
        finally:
            for folder in folders:
                os.close(folder)

    def stat(self, name, link=False):
        with self.at(name, not link) as (folder, last):
            return os.stat(last, dir_fd=folder, follow_symlinks=False)

    def enter(self, name):
        """Fails for a folder that may not be searched."""
        with self.at(name) as (folder, last):
            fd = os.open(last, FOLDER, dir_fd=folder)
        try:
            os.stat(b".", dir_fd=fd)
        finally:
            os.close(fd)

    def list(self, name, names_only):
        """Opens a folder, and returns a generator. That yields None first, then (stat record,
        name, target) for each entry, sorted by name; it reads the names after the None."""
        with self.at(name) as (folder, last):
            fd = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        return self.entries(fd, names_only)

    def entries(self, fd, names_only):
        try:
            yield  # begin the try block, so that close() closes the folder
            for name in sorted(map(os.fsencode, os.listdir(fd))):
                if names_only:
                    yield bytes(STAT_RECORD.size), name, b""
                    continue
                try:
                    info = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    target = read_link(name, fd) if stat.S_ISLNK(info.st_mode) else b""
                except OSError:
                    continue  # removed meanwhile
                yield record(info), name, target or b""
        finally:
            os.close(fd)

    def open(self, folder, last, flags):
        """Opens a regular file and nothing else."""
        fd = os.open(last, flags | FILE, 0o666, dir_fd=folder)
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode):
            return fd, info
        os.close(fd)
        raise Fault("EISDIR" if stat.S_ISDIR(info.st_mode) else "EACCES")

    def read(self, name, offset):
        """Opens a download from offset on, and describes its file."""
        with self.at(name) as (folder, last):
            fd, info = self.open(folder, last, os.O_RDONLY)
        try:
            os.lseek(fd, offset, os.SEEK_SET)
        except OSError:
            os.close(fd)
            raise
        return Download(fd), info

    def write(self, name, flags, offset):
        """Opens an upload in place: O_TRUNC replaces a file, O_EXCL makes one, O_APPEND adds to
        its end. A file that is being written already is EBUSY."""
        with self.at(name, not flags & os.O_EXCL) as (folder, last):
            fd, info, made = self.open_or_make(folder, last, flags, offset)
            key = info.st_dev, info.st_ino
            if key in self.uploading:
                os.close(fd)
                raise Fault("EBUSY")
            self.uploading.add(key)
            os.lseek(fd, offset, os.SEEK_SET)
            return Upload(self, fd, key, bool(flags & os.O_TRUNC), (os.dup(folder), last) if made else None)

    def open_or_make(self, folder, last, flags, offset):
        how = os.O_WRONLY | flags & os.O_APPEND
        if not flags & os.O_EXCL:
            try:
                return *self.open(folder, last, how), False
            except FileNotFoundError:
                if offset:
                    raise
        try:
            return *self.open(folder, last, how | os.O_CREAT | os.O_EXCL), True
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            return *self.open(folder, last, how), False  # somebody has made it since

    def mkdir(self, name):
        with self.at(name, False) as (folder, last):
            os.mkdir(last, 0o777, dir_fd=folder)

    def remove(self, name, folder_wanted):
        with self.at(name, False) as (folder, last):
            (os.rmdir if folder_wanted else os.unlink)(last, dir_fd=folder)

    def rename(self, old, new):
        with self.at(old, False) as (folder, last), self.at(new, False) as (to_folder, to_last):
            os.rename(last, to_last, src_dir_fd=folder, dst_dir_fd=to_folder)

    def set_time(self, name, mtime):
        with self.at(name) as (folder, last):
            now = os.stat(last, dir_fd=folder, follow_symlinks=False)
            os.utime(last, ns=(now.st_atime_ns, mtime), dir_fd=folder, follow_symlinks=False)

    def set_mode(self, name, mode):
        with self.at(name) as (folder, last):
            os.chmod(last, mode, dir_fd=folder, follow_symlinks=False)

    def space(self, name):
        with self.at(name) as (folder, last):
            fd = os.open(last, os.O_RDONLY | FILE, dir_fd=folder)
        try:
            free = os.fstatvfs(fd)
            return free.f_bavail * free.f_frsize
        finally:
            os.close(fd)


class Download:
    """A file that is read."""

    def __init__(self, fd):
        self.fd = fd

    def abort(self):
        os.close(self.fd)


class Upload:
    """A file that is written in place. Its old bytes stay until a byte has come or the upload
    is committed: a client that never connects, or dies, loses nothing."""

    def __init__(self, files, fd, key, cut, made):
        self.files, self.fd, self.key, self.cut = files, fd, key, cut
        self.made = made  # if there was no such file: the open folder and the name

    def write(self, data):
        if data:
            self.empty()
        while data:
            data = data[os.write(self.fd, data) :]

    def empty(self):
        if self.cut:
            os.ftruncate(self.fd, 0)
        self.cut = False

    def commit(self):
        """Closes the file, and raises its error: some storage reports failed writes only then."""
        try:
            self.empty()
        finally:
            self.close()

    def abort(self):
        """Closes the file. Bytes that have come stay, so that the client can resume. A file that
        this upload made is removed if none have come."""
        try:
            if self.made:
                self.remove(*self.made)
        finally:
            self.close()

    def remove(self, folder, last):
        ours = os.fstat(self.fd)
        with suppress(OSError):
            if ours.st_size == 0 and os.path.samestat(ours, os.stat(last, dir_fd=folder, follow_symlinks=False)):
                os.unlink(last, dir_fd=folder)

    def close(self):
        if self.made:
            os.close(self.made[0])
        self.files.uploading.discard(self.key)
        os.close(self.fd)
