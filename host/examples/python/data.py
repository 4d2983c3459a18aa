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
        """Keeps connections from the client's address until there are two, of which none can be
        trusted. Connections from elsewhere are closed unread, and the wait goes on."""
        try:
            sock, client = self.sock.accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                return  # the client has hung up already; the wait goes on
            self.failed = error  # the socket would stay readable, and be tried without end
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
        """The connection that came. Of two from the client's address one is a thief's, and
        nobody can say which: EBUSY."""
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
    """A data connection, or an active one that is being dialled."""

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
        """The bytes that the client sends. Under MODE Z the end of the connection before that of
        the compressed data is an error."""
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
                self.unsent += self.compressor.flush()  # the end of the compressed data, which a listing needs
            super().given_up()
