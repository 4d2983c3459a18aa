"""Open directories and files, and the transfers of files."""

import ascii
import asyncio
import hashlib
import os
import socket
import struct
import zlib
from contextlib import suppress

from abi import EVENT, Fault, entry_record, errno_of, need
from data import PIECE
from session import Owned

SENDFILE_PIECE = 4 << 20


def reset(sock):
    """Closes a connection by a reset: a download that failed must not look complete."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Directory(Owned):
    kind = "DIR"

    def __init__(self, entries):
        self.entries, self.ahead = entries, None
        next(entries)

    def page(self, room):
        """Up to room bytes of whole records; no bytes are the end. Runs on a thread."""
        page = bytearray()
        while entry := self.ahead or next(self.entries, None):
            self.ahead = None
            record = entry_record(*entry)
            if len(page) + len(record) <= room:
                page += record
            elif page:
                self.ahead = entry
                break  # a record too large for any page is left out
        return bytes(page)

    def given_up(self):
        with suppress(ValueError):  # a thread still makes a page; the generator is freed after that
            self.entries.close()


class OpenFile(Owned):
    """A file open for one transfer. The host moves the bytes: the guest never sees them."""

    kind = "FILE"
    task = failed = digest = hashing = None
    finished = committing = False
    bytes = 0  # bytes that crossed the data connection, or were hashed

    def __init__(self, file, stat, upload):
        self.file, self.stat, self.upload = file, stat, upload
        self.fd = file.fd

    def start(self, work, data=None):
        self.task = self.server.loop.create_task(self.run(work, data))

    async def run(self, work, data):
        try:
            await work
        except asyncio.CancelledError:
            self.failed = Fault("ECANCELED")
        except Exception as error:
            self.failed = error
        if data and self.failed and not self.upload:
            reset(data.sock)
        elif data:
            data.sock.close()
        self.finished = True
        if self.server.objects.get(self.handle) is self:
            self.post(EVENT.TRANSFER, errno_of(self.failed), self.bytes)
        else:
            self.file.abort()

    async def on_thread(self, work, *args):
        """Does work that may wait for the disk. Even when cancelled it waits for that: the file
        must stay open until then."""
        done = self.server.loop.run_in_executor(None, work, *args)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait([done])
            raise

    async def pieces(self, length):
        left = length or 1 << 63
        while left and (data := await self.on_thread(os.read, self.fd, min(PIECE, left))):
            left -= len(data)
            yield data

    async def send(self, data, convert, length):
        if not convert and not data.compressor:
            return await self.send_file(data, length)
        lines = ascii.ToWire()
        async for piece in self.pieces(length):
            piece = lines.convert(piece) if convert else piece
            await data.send(piece)
            self.bytes += len(piece)
        await data.send_end()

    async def send_file(self, data, length):
        """Has the kernel move the bytes, in pieces, each of which counts as progress."""
        at = os.lseek(self.fd, 0, os.SEEK_CUR)
        with open(self.fd, "rb", buffering=0, closefd=False) as file:
            while size := min(SENDFILE_PIECE, length - self.bytes) if length else SENDFILE_PIECE:
                sent = await self.server.loop.sock_sendfile(data.sock, file, at + self.bytes, size)
                self.bytes += sent
                if sent < size:
                    return

    async def receive(self, data, convert, length):
        lines, room = ascii.ToFile(), length or None
        async for piece in data.pieces():
            self.bytes += len(piece)
            piece = lines.convert(bytes(piece)) if convert else piece
            if room is not None:
                room -= len(piece)
                need(room >= 0, "EINVAL")
            await self.on_thread(self.file.write, piece)
        await self.on_thread(self.file.write, lines.held)

    async def hash(self, algorithm, length):
        digest, crc = None if algorithm == "crc32" else hashlib.new(algorithm), 0
        async for piece in self.pieces(length):
            if digest:
                await self.on_thread(digest.update, piece)
            else:
                crc = zlib.crc32(piece, crc)
            self.bytes += len(piece)
        self.digest = digest.digest() if digest else struct.pack(">I", crc)

    def given_up(self):
        """The session's next question waits until the file is free again."""
        if self.task and not self.finished:
            self.session.wait_for(self.task)
            self.server.loop.call_soon(self.task.cancel)  # not before run has begun, which closes the file
        elif not self.committing:
            self.file.abort()
