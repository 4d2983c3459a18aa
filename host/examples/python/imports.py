"""The imports, by their names in wasi/table.go."""

import os
import zlib

from abi import ATTRIBUTE, HASHES, OPEN, RIGHT, STAT, STAT_RECORD, TYPE, Fault, get_address, need, put32, put64, put_address
from data import Data, Listener
from files import record
from session import MAX_OWNED, MAX_UNSENT, Connection, ip_of
from transfer import Directory, OpenFile

MAX_NAME = 64 << 10
LOWEST_PORT = 1024  # below it are the services that bounce attacks aim at (RFC 2577 §3)


def name(data):
    """A parameter that is the name of a file: relative to the root, without elements that lead
    up."""
    need(len(data) <= MAX_NAME and b"\0" not in data, "EINVAL")
    need(data == b"." or not {b"", b".", b".."} & set(data.split(b"/")), "EINVAL")
    return data


def is_dir(stat):
    return STAT_RECORD.unpack(stat)[2] & TYPE.MASK == TYPE.DIR


def net_address(session, side, out):
    need(side <= 1, "EINVAL")
    address = session.client if side else session.local
    put_address(out, ip_of(address), address[1])


def net_read(session, out, n):
    put32(n, 0)
    data = session.read(len(out))
    out[: len(data)] = data
    put32(n, len(data))


def net_write(conn, data, n):
    need(isinstance(conn, Connection) and conn.sock, "EBADF")
    put32(n, 0)
    put32(n, conn.write(data))


def net_listen(session, family, handle, out):
    need(family in (0, 4 if len(session.local_ip) == 4 else 6), "EINVAL")
    need(len(session.owned) < MAX_OWNED, "EMFILE")
    sock = session.server.listen(session.local)
    put32(handle, Listener(session, sock).handle)
    put_address(out, session.local_ip, sock.getsockname()[1])


def net_accept(listener, handle):
    sock, data = listener.take(), Data()
    try:
        put32(handle, listener.session.own(data))
    except Fault:
        sock.close()
        raise
    data.attach(sock)


def net_dial(session, address, handle):
    ip, port = get_address(address)
    need(port >= LOWEST_PORT and ip == session.client_ip, "EACCES")
    data = Data()
    put32(handle, session.own(data))
    data.dialling = session.server.loop.create_task(data.dial(port))


def net_deflate(data, level):
    need(data.sock and not data.compressor and level <= 9, "EINVAL")
    need(not data.unsent, "EBUSY")
    data.deflate(level or zlib.Z_DEFAULT_COMPRESSION)


def handle_close(owned):
    owned.close()


def auth_login(session, user, password, rights, abilities):
    need(len(user) <= MAX_NAME and len(password) <= MAX_NAME, "EINVAL")
    account = session.server.login(user, password) if user else None  # without waiting: this host hashes no passwords
    need(account or not user, "EACCES")
    session.account = account
    put32(rights, account[0] if account else 0)
    put32(abilities, account[1].abilities if account else 0)


def file_stat(session, path, flags, out):
    files, path = session.files(63), name(path)
    need(flags <= STAT.LINK | STAT.ENTER, "EINVAL")
    may_look = session.can(RIGHT.READ | RIGHT.LIST)

    def work():
        stat = record(files.stat(path, bool(flags & STAT.LINK)))
        # An account that can only upload may change directories, but not look at files.
        need(is_dir(stat) or may_look, "EACCES")
        if flags & STAT.ENTER:
            need(is_dir(stat), "ENOTDIR")
            files.enter(path)
        return stat

    out[:] = session.ask(("stat", path, flags), work)


def file_list(directory, out, n):
    room = min(len(out), MAX_UNSENT)
    page = directory.session.ask(("next", directory.handle, room), lambda: directory.page(room))
    out[: len(page)] = page
    put32(n, len(page))


def file_open(session, path, flags, offset, handle, out):
    if flags & OPEN.DIR:
        return open_directory(session, path, flags, offset, handle, out)
    files, path = session.files(RIGHT.WRITE if flags & OPEN.WRITE else RIGHT.READ), name(path)
    need(flags < OPEN.DIR and offset >= 0 and not (offset and flags & (OPEN.TRUNCATE | OPEN.EXCLUSIVE)), "EINVAL")
    need(len(session.owned) < MAX_OWNED, "EMFILE")
    opener = open_upload if flags & OPEN.WRITE else open_download
    may_delete = session.can(RIGHT.DELETE)
    file = session.ask(("open", path, flags, offset), lambda: opener(files, path, flags, offset, may_delete))
    put32(handle, session.own(file))
    out[:] = file.stat


def open_directory(session, path, flags, offset, handle, out):
    files, path = session.files(RIGHT.LIST), name(path)
    need(flags & ~OPEN.NAMES == OPEN.DIR and offset == 0, "EINVAL")
    need(len(session.owned) < MAX_OWNED, "EMFILE")

    def work():
        return Directory(files.list(path, bool(flags & OPEN.NAMES))), record(files.stat(path))

    directory, out[:] = session.ask(("open", path, flags), work)
    put32(handle, session.own(directory))


def open_download(files, path, flags, offset, may_delete):
    file, info = files.read(path, offset)
    return OpenFile(file, record(info), False)


def open_upload(files, path, flags, offset, may_delete):
    """Opens an upload. An account without the right to delete may only make new files, or add
    to the end of old ones."""
    try:
        info = files.stat(path)
        stat, size = record(info), info.st_size
        need(not is_dir(stat), "EISDIR")
    except OSError:
        stat, size = bytes(STAT_RECORD.size), 0
    how = 0
    if flags & OPEN.EXCLUSIVE:
        how = os.O_EXCL
    elif flags & OPEN.APPEND:
        how, offset = os.O_APPEND, 0
    elif offset > size:
        raise Fault("EINVAL")
    elif flags & OPEN.TRUNCATE:
        how = os.O_TRUNC if may_delete else os.O_EXCL
    else:
        need(may_delete or offset >= size, "EACCES")
    try:
        return OpenFile(files.write(path, how, offset), stat, True)
    except FileExistsError:
        raise Fault("EEXIST" if flags & OPEN.EXCLUSIVE else "EACCES") from None


def file_commit(file):
    need(file.upload and file.task, "EINVAL")
    need(file.finished, "EBUSY")
    need(not file.failed, "EINVAL")  # an upload that failed is not whole, whatever the guest says
    key = ("commit", file.handle)
    asked = file.session.asked
    need(not file.committing or asked and asked.key == key, "EBUSY")
    if not file.committing and file.session.gone():
        file.close()  # the client died: a dying client ends its control connection first
        raise Fault("ECANCELED")
    try:
        file.session.ask(key, file.file.commit)
    except Fault as fault:
        if str(fault) == "EAGAIN":
            file.committing = True
        raise
    except OSError:
        file.session.disown(file)
        raise
    file.session.disown(file)


def change(right, work):
    """An import that alters one file."""

    def call(session, path, *rest):
        files, path = session.files(right), name(path)
        session.ask((work, path, *rest), lambda: work(files, path, *rest))

    return call


make_directory = change(RIGHT.MKDIR, lambda files, path: files.mkdir(path))


def file_make(session, path, target):
    session.files(RIGHT.MKDIR)
    need(not target, "ENOSYS")  # no links
    make_directory(session, path)


def set_attribute(files, path, attribute, value):
    need(attribute <= ATTRIBUTE.MODE, "EINVAL")
    if attribute == ATTRIBUTE.TIME:
        files.set_time(path, value)
    else:
        files.set_mode(path, value & 0o777)


file_set = change(RIGHT.WRITE, set_attribute)


def file_remove(session, path, kind):
    files, path = session.files(RIGHT.DELETE), name(path)
    need(kind <= 1, "EACCES" if kind == 2 else "EINVAL")  # 2 is a folder with all that is in it

    def work():
        need(path != b".", "EACCES")
        directory = is_dir(record(files.stat(path, True)))
        need(directory == bool(kind), "EISDIR" if directory else "ENOTDIR")
        files.remove(path, directory)

    session.ask(("remove", path, kind), work)


def file_rename(session, old, new):
    files, old, new = session.files(RIGHT.RENAME), name(old), name(new)
    need(b"." not in (old, new), "EINVAL")
    may_delete = session.can(RIGHT.DELETE)

    def work():
        if not may_delete and old != new:
            try:
                files.stat(new, True)
                raise Fault("EACCES")
            except FileNotFoundError:
                pass
        files.rename(old, new)

    session.ask(("rename", old, new), work)


def file_space(session, path, out):
    files, path = session.files(RIGHT.WRITE), name(path)
    put64(out, session.ask(("space", path), lambda: files.space(path)))


def transfer_start(file, data, flags, length):
    need(data.session is file.session and data.sock and not file.task, "EBADF")
    need(flags <= 1 and length >= 0, "EINVAL")
    need(not data.unsent, "EBUSY")
    file.session.disown(data)
    file.start((file.receive if file.upload else file.send)(data, flags == 1, length), data)


def transfer_progress(file, out):
    need(file.task, "EINVAL")
    put64(out, file.bytes)


def transfer_hash(file, algorithm, length, out, n):
    need(not file.upload and (not file.task or file.hashing), "EBADF")
    need(algorithm < len(HASHES) and length >= 0 and file.hashing in (None, (algorithm, length)), "EINVAL")
    if not file.hashing:
        file.hashing = algorithm, length
        file.start(file.hash(HASHES[algorithm], length))
    need(file.finished, "EAGAIN")
    need(file.digest and len(file.digest) <= len(out), "EINVAL")
    out[: len(file.digest)] = file.digest
    put32(n, len(file.digest))


CALLS = {n: f for n, f in globals().items() if n.startswith(("net_", "handle_", "auth_", "session_", "file_", "transfer_"))}
