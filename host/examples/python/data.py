"""Data connections."""

import asyncio
import errno
import socket
import zlib

from abi import EVENT, Fault, errno_of, need
from session import Connection, Owned, ip_of

PIECE = 256 << 10
DIAL_TIME = 30
EXHAUSTED = errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM


class Listener(Owned):
    """Waits for a passive data connection (RFC 959 §4.1.2, PASV)."""

    kind = "LISTENER"
    failed = None

    def __init__(self, session, sock):
        self.sock, self.arrived = sock, []
        session.own(self)
        self.server.loop.add_reader(sock, self.accept)

    def accept(self):
        """Takes what connects, until there is too much to trust. Somebody else's
        connection is closed unread, and the client's is still waited for."""
        try:
            sock, client = self.sock.accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                return  # it went away again, and the next is waited for
            self.failed = error  # the port would be ready for ever
            self.stop()
            return self.post(EVENT.READABLE)
        if ip_of(client) != self.session.client_ip:
            return sock.close()
        self.arrived.append(sock)
        if len(self.arrived) == 1:
            self.post(EVENT.READABLE)
        else:
            self.stop()

    def take(self):
        """When two came from the client's address, one of them is a thief's, and nobody
        can say which."""
        if self.failed and not self.arrived:
            raise self.failed
        need(self.arrived, "EAGAIN")
        need(len(self.arrived) == 1, "EBUSY")
        return self.arrived.pop()

    def stop(self):
        if self.sock.fileno() >= 0:
            self.server.loop.remove_reader(self.sock)
            self.sock.close()

    def given_up(self):
        self.stop()
        for sock in self.arrived:
            sock.close()


class Data(Connection):
    """A data connection, or the attempt at an active one."""

    kind = "DATA"
    dialling = None

    async def dial(self, port):
        local, client = self.session.local, self.session.client
        sock = socket.socket(socket.AF_INET6 if len(client) == 4 else socket.AF_INET)
        try:
            sock.setblocking(False)
            sock.bind((local[0], 0, *local[2:]))
            await asyncio.wait_for(self.server.loop.sock_connect(sock, (client[0], port, *client[2:])), DIAL_TIME)
        except asyncio.TimeoutError:
            sock.close()
            self.post(EVENT.WRITABLE, errno_of(Fault("ETIMEDOUT")))
        except OSError as error:
            sock.close()
            self.post(EVENT.WRITABLE, errno_of(error))
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            self.attach(sock)
            self.post(EVENT.WRITABLE)

    def deflate(self, level):
        self.compressor, self.expander = zlib.compressobj(level), zlib.decompressobj()

    async def send(self, data):
        await self.server.loop.sock_sendall(self.sock, self.compressor.compress(data) if self.compressor else data)

    async def send_end(self):
        if self.compressor:
            await self.server.loop.sock_sendall(self.sock, self.compressor.flush())

    async def pieces(self):
        """What the client sends. The end of the connection before the end of compressed
        data is no end."""
        buffer = bytearray(PIECE)
        while size := await self.server.loop.sock_recv_into(self.sock, buffer):
            data = memoryview(buffer)[:size]
            if not self.expander:
                yield data
                continue
            for expanded in self.expand(data):
                yield expanded
        need(not self.expander or self.expander.eof, "ECONNRESET")

    def expand(self, data):
        expanded = b""
        try:
            while data or len(expanded) == PIECE:
                expanded = self.expander.decompress(data, PIECE)
                yield expanded
                data = self.expander.unconsumed_tail
        except zlib.error:
            raise Fault("ECONNRESET") from None

    def given_up(self):
        if self.dialling and not self.sock:
            self.dialling.cancel()
        if self.sock:
            if self.compressor:
                self.unsent += self.compressor.flush()  # nobody else ends a listing
            super().given_up()
