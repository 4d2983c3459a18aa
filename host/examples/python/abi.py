"""The boundary between the engine (the guest) and this host, as in wasi/abi.txt, and the few
functions of WASI that Go's runtime needs.

Names of files are bytes: a client's names are not always UTF-8.
"""

import errno as system
import os
import struct
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import wasmtime

ERRNO = dict(
    OK=0, EACCES=2, EADDRINUSE=3, EAGAIN=6, EBADF=8, EBUSY=10, ECANCELED=11, ECONNREFUSED=14, ECONNRESET=15, EDQUOT=19, EEXIST=20,
    EFAULT=21, EFBIG=22, EINVAL=28, EIO=29, EISDIR=31, EMFILE=33, ENOENT=44, ENOSPC=51, ENOSYS=52, ENOTDIR=54, ENOTEMPTY=55,
    EPIPE=64, EPROTO=65, ETIMEDOUT=73, EXDEV=75,
)
ALIASES = dict(
    EPERM="EACCES", EROFS="EACCES", ENXIO="EACCES", ELOOP="ENOENT", ENAMETOOLONG="EINVAL", ENFILE="EMFILE",
    EOPNOTSUPP="ENOSYS", ENOTSUP="ENOSYS", EILSEQ="EINVAL", EMLINK="ENOSPC", ETXTBSY="EBUSY",
    EADDRNOTAVAIL="EADDRINUSE", ECONNABORTED="ECONNRESET",
    ENETDOWN="ECONNRESET", ENETUNREACH="ECONNRESET", EHOSTUNREACH="ECONNRESET",
)
EVENT = SimpleNamespace(OPEN=1, READABLE=2, WRITABLE=3, READY=4, TRANSFER=5, DRAIN=6, CLOCK=7)
RIGHT = SimpleNamespace(READ=1, LIST=2, WRITE=4, DELETE=8, RENAME=16, MKDIR=32)
RIGHTS = {"off": 0, "ro": RIGHT.READ | RIGHT.LIST, "rw": 63}
ABLE = SimpleNamespace(UPLOAD=1, TIMES=2, MODES=8, SPACE=32, MKDIR=256)
OPEN = SimpleNamespace(WRITE=1, TRUNCATE=2, APPEND=4, EXCLUSIVE=8, DIR=16, NAMES=32)
ATTRIBUTE = SimpleNamespace(TIME=0, MODE=1)
STAT = SimpleNamespace(LINK=1, ENTER=2)
TYPE = SimpleNamespace(FILE=0, DIR=1 << 16, LINK=2 << 16, OTHER=3 << 16, MASK=0xFFFF << 16)
HASHES = ["sha256", "sha512", "sha1", "md5", "crc32"]

ABI_VERSION = 7
EVENT_RECORD = struct.Struct("<HHIIIQ")
STAT_RECORD = struct.Struct("<qQIIq")
CLOCK_SLACK = 10**9  # ns by which the engine's idea of the wall clock may be off
STEP_SECONDS = 5  # for one call into the engine, which then counts as hung
MEMORY = 256 << 20

# The imports with the kinds of their parameters. A kind in capitals is a handle of an object
# of that kind; ANY is a handle of any kind.
IMPORTS = dict(
    config_read="out ret32", events_read="out ret32",
    net_address="SESSION u32 retaddr", net_read="SESSION out ret32", net_write="ANY in ret32",
    net_listen="SESSION u32 ret32 retaddr", net_accept="LISTENER ret32", net_dial="SESSION addr ret32",
    net_tls="ANY u32 in", net_deflate="DATA u32", handle_close="ANY",
    auth_login="SESSION in in ret32 ret32",
    file_stat="SESSION in u32 stat", file_open="SESSION in u32 i64 ret32 stat", file_list="DIR out ret32", file_commit="FILE",
    file_make="SESSION in in", file_remove="SESSION in u32", file_rename="SESSION in in", file_set="SESSION in u32 i64",
    file_space="SESSION in ret64",
    transfer_start="FILE DATA u32 i64", transfer_progress="FILE ret64", transfer_hash="FILE u32 i64 out ret32",
)
SIZES = dict(ret32=4, ret64=8, addr=20, retaddr=20, stat=STAT_RECORD.size)


class Fault(Exception):
    """An error whose text is the name of its errno at the boundary."""


def need(condition, name):
    if not condition:
        raise Fault(name)


def errno_of(error):
    """The errno of an error at the boundary: 0 for None, EIO for an unknown error."""
    if error is None:
        return 0
    name = str(error) if isinstance(error, Fault) else system.errorcode.get(getattr(error, "errno", None), "EIO")
    return ERRNO.get(ALIASES.get(name, name), ERRNO["EIO"])


def put32(out, value):
    out[:4] = struct.pack("<I", value)


def put64(out, value):
    out[:8] = struct.pack("<Q", value)


def put_address(out, ip, port):
    """ip is 4 or 16 bytes."""
    out[:20] = struct.pack("<HH16s", 4 if len(ip) == 4 else 6, port, ip)


def get_address(record):
    family, port, ip = struct.unpack("<HH16s", record)
    need(family in (4, 6), "EINVAL")
    return ip[:4] if family == 4 else ip, port


def entry_record(stat, name, target):
    """A directory record; stat is a stat record."""
    return stat + struct.pack("<HH", len(name), len(target)) + name + target


def config_record():
    """The engine's configuration (wasi/config.go): the times in ns to log in, between
    commands, without data, to set up a data connection and after a failed login; the
    number of failed logins; the bytes of a line; no flags, so no TLS; no texts."""
    return struct.pack("<5q6I", *(s * 10**9 for s in (120, 300, 300, 30, 1)), 5, 4096, 0, 0, 0, 0)


BEGAN = time.time_ns() - time.monotonic_ns()


def now():
    """The time in ns since 1970, which never goes back."""
    return BEGAN + time.monotonic_ns()


def log(text, to=2):
    """Writes a line to standard error. It is no error if nobody reads that any more."""
    with suppress(OSError):
        os.write(to, f"{text}\n".encode())


class Program:
    """A compiled module."""

    def __init__(self, path):
        config = wasmtime.Config()
        config.epoch_interruption = True
        with suppress(wasmtime.WasmtimeError):  # without a folder for it, there is no cache
            config.cache = True
        self.engine = wasmtime.Engine(config)
        with open(path, "rb") as file:
            self.module = wasmtime.Module(self.engine, file.read())
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        """The clock by which Wasmtime stops a guest that loops for ever."""
        while True:
            time.sleep(1)
            self.engine.increment_epoch()


class Engine:
    """A running instance of the module.

    calls has a function for each import. It gets its arguments decoded: for a handle the
    object, for bytes from the guest bytes, and for bytes to the guest a memoryview, which
    is void once the call returns. It raises an error that errno_of knows, or returns for
    OK. objects has the objects by handle."""

    ahead = None  # ns from now() to the wall clock, as the engine was told

    def __init__(self, program, calls, objects):
        self.program, self.calls, self.objects = program, calls, objects
        self.events, self.config, self.printed, self.size = [], config_record(), b"", 0
        self.store = wasmtime.Store(program.engine)
        self.store.set_limits(memory_size=MEMORY)
        instance = wasmtime.Instance(self.store, program.module, [self.function(i) for i in program.module.imports])
        self.exports = instance.exports(self.store)
        self.run("_initialize")
        if self.run("ftp_abi_version") != ABI_VERSION:
            raise RuntimeError(f"the module was built for another ABI version than {ABI_VERSION}")
        result = self.run("ftp_start", len(self.config))
        if result:
            raise RuntimeError(f"the engine refused its configuration: errno {result}")

    def run(self, export, *values):
        """Calls an export. Raises if the guest traps, or takes longer than STEP_SECONDS."""
        self.store.set_epoch_deadline(STEP_SECONDS)
        return self.exports[export](self.store, *values)

    def step(self):
        """Calls the engine. Returns when it asks to be called again even without an event, in
        ns since 1970; 0 is never."""
        at = now()
        self.tell_clock(at)
        return self.run("ftp_step", at, len(self.events))

    def tell_clock(self, at):
        """Adds an event with the wall clock, unless the engine knows it: it may have been set
        since the start."""
        wall = time.time_ns()
        if self.ahead is None or abs(wall - at - self.ahead) > CLOCK_SLACK:
            self.ahead = wall - at
            self.events.append((EVENT.CLOCK, 0, 0, 0, wall & (1 << 64) - 1))

    def memory(self):
        memory = self.exports["memory"]
        size = memory.data_len(self.store)
        if size != self.size:  # the memory grew, and may have moved
            self.view, self.size = memoryview(memory.get_buffer_ptr(self.store)).cast("B"), size
        return self.view

    def part(self, pointer, size):
        pointer, size = pointer & 0xFFFFFFFF, size & 0xFFFFFFFF
        memory = self.memory()
        need(pointer + size <= len(memory), "EFAULT")
        return memory[pointer : pointer + size]

    def function(self, wanted):
        """The function for an import of the module."""
        call = None
        if wanted.module == "ftphost" and wanted.name in IMPORTS:
            own = {"config_read": self.config_read, "events_read": self.events_read}
            work, kinds = own.get(wanted.name) or self.calls.get(wanted.name), IMPORTS[wanted.name].split()
            call = work and (lambda *values: work(*self.decode(kinds, values)))
        elif wanted.module == "wasi_snapshot_preview1":
            call = getattr(self, wanted.name, None)
        return wasmtime.Func(self.store, wanted.type, lambda *values: self.answer(wanted.name, call, values))

    def answer(self, name, call, values):
        """Calls the function of an import. Every exception becomes an errno."""
        if name == "proc_exit":
            raise RuntimeError(f"the engine exited with {values[0]}")
        try:
            need(call, "ENOSYS")
            call(*values)
            return 0
        except (Fault, OSError) as error:
            return errno_of(error)
        except Exception as error:
            log(f"{name}: {error!r}")
            return ERRNO["EIO"]

    def decode(self, kinds, values):
        values, decoded = iter(values), []
        for kind in kinds:
            value = next(values)
            if kind == "i64":
                decoded.append(value)
            elif kind == "u32" or kind.isupper():
                decoded.append(value & 0xFFFFFFFF)
            else:
                part = self.part(value, SIZES.get(kind) or next(values))
                decoded.append(bytes(part) if kind in ("in", "addr") else part)
        return [self.object(v, kind) if kind.isupper() else v for kind, v in zip(kinds, decoded)]

    def object(self, handle, kind):
        found = self.objects.get(handle)
        need(found and kind in ("ANY", found.kind), "EBADF")
        return found

    def config_read(self, out, n):
        need(len(out) >= len(self.config), "EINVAL")
        out[: len(self.config)] = self.config
        put32(n, len(self.config))

    def events_read(self, out, n):
        taken = self.events[: len(out) // EVENT_RECORD.size]
        del self.events[: len(taken)]
        for i, (kind, errno, session, handle, value) in enumerate(taken):
            EVENT_RECORD.pack_into(out, i * EVENT_RECORD.size, kind, errno, session, handle, 0, value)
        put32(n, len(taken))

    # WASI, for a guest that has no files, no arguments and no environment.

    def nothing(self, count, size):
        put32(self.part(count, 4), 0)
        put32(self.part(size, 4), 0)

    args_sizes_get = environ_sizes_get = nothing

    def args_get(self, *pointers):
        pass

    environ_get = sched_yield = args_get

    def clock_time_get(self, clock, precision, result):
        put64(self.part(result, 8), time.time_ns() if clock == 0 else now())

    def random_get(self, pointer, size):
        need(0 <= size <= 4096, "EINVAL")
        self.part(pointer, size)[:] = os.urandom(size)

    def fd_write(self, fd, vectors, count, result):
        need(fd in (1, 2), "EBADF")
        need(0 <= count <= 64, "EINVAL")
        written = 0
        for pointer, size in struct.iter_unpack("<II", self.part(vectors, 8 * count)):
            text = bytes(self.part(pointer, size)[: 4096 - len(self.printed)])  # a stack overflow alone prints 30,000 frames
            written += size
            if fd == 2:
                self.printed += text
        put32(self.part(result, 4), written & 0xFFFFFFFF)

    def poll_oneoff(self, subscriptions, events, count, result):
        """There is nothing to wait for but time, and a host must not wait here: subscriptions
        to a clock end at once."""
        need(0 < count <= 64, "EINVAL")
        for i in range(count):
            subscription, event = self.part(subscriptions + 48 * i, 48), self.part(events + 32 * i, 32)
            error = ERRNO["EBADF"] if subscription[8] else 0
            event[:] = struct.pack("<8sHB21x", bytes(subscription[:8]), error, subscription[8])
        put32(self.part(result, 4), count)
