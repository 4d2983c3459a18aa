"""The host's side of a control connection."""

import asyncio
import socket
from contextlib import suppress

from abi import EVENT, Fault, need

MAX_OWNED = 16  # listeners, connections, files and directories of a session; the engine needs four
MAX_UNSENT = 64 << 10
LINGER_TIME, STALL_TIME = 2, 300


def ip_of(address):
    """The 4 or 16 bytes of an address. An IPv4 address mapped into IPv6 becomes the IPv4
    address."""
    text = address[0].partition("%")[0].removeprefix("::ffff:")
    return socket.inet_pton(socket.AF_INET if "." in text else socket.AF_INET6, text)


class Owned:
    """An object of a session, with a handle of its own."""

    handle = None

    def given_up(self):
        """Releases what the object holds. The guest gets no event."""

    def close(self):
        self.session.disown(self)
        self.given_up()

    def post(self, kind, errno=0, value=0):
        self.server.post(kind, errno, self.session.handle, self.handle, value)


class Connection(Owned):
    """A connection that the guest writes to: control or data."""

    sock = None
    compressor = expander = None
    broken = None
    starved = over = flushing = False

    def attach(self, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.unsent = sock, bytearray()

    def write(self, data):
        """Takes as many bytes as there is room for, and returns their number."""
        if self.broken:
            raise self.broken
        taken = data[: max(MAX_UNSENT - len(self.unsent), 0)]
        self.starved = len(taken) < len(data)
        need(taken or not data, "EAGAIN")
        self.unsent += self.compressor.compress(taken) if self.compressor else taken
        self.flush()
        return len(taken)

    def flush(self):
        """Sends as much as the socket takes, and the rest when that has room again."""
        try:
            while self.unsent:
                del self.unsent[: self.sock.send(self.unsent)]
        except BlockingIOError:
            if not self.flushing:
                self.flushing = True
                self.server.loop.add_writer(self.sock, self.flush)
            return
        except OSError as error:
            self.broken = error
            self.unsent.clear()
        if self.flushing:
            self.server.loop.remove_writer(self.sock)
        self.flushing = False
        if self.over:
            self.finish()
        elif self.starved:
            self.starved = False
            self.post(EVENT.WRITABLE)

    def given_up(self):
        """Ends the connection once all that was written is sent."""
        self.over = True
        self.deadline = self.server.loop.call_later(STALL_TIME, self.destroy)
        self.flush()

    def finish(self):
        self.destroy()

    def destroy(self):
        self.deadline.cancel()
        if self.sock.fileno() >= 0:
            self.server.loop.remove_writer(self.sock)
            self.sock.close()


class Question:
    """A call of the guest that may have to wait."""

    answer = error = None
    done = False

    def __init__(self, key):
        self.key = key

    def discard(self):
        if isinstance(self.answer, Owned):
            self.answer.given_up()


class Session(Connection):
    kind = "SESSION"
    account = None  # (rights, files) once logged in
    asked = None
    working = 0  # questions under way, abandoned ones too
    arrived = b""
    ended = failed = None

    def __init__(self, server, sock, client):
        self.server, self.session, self.owned = server, self, []
        self.clearing = set()  # see wait_for
        self.local, self.client = sock.getsockname(), client
        self.local_ip, self.client_ip = ip_of(self.local), ip_of(self.client)
        self.attach(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # clients send ABOR as urgent data
        server.add(self)
        self.post(EVENT.OPEN)
        server.loop.add_reader(sock, self.receive)

    def look(self):
        """Reads one piece, so that a client cannot make the host keep many bytes. Returns
        whether there were bytes, the end or an error."""
        try:
            self.arrived = self.sock.recv(4096)
            self.ended = not self.arrived
        except BlockingIOError:
            return False
        except OSError as error:
            self.failed = error
        return True

    def receive(self):
        """Posts an event for bytes that have come. Once the session is over it discards them:
        closing with bytes unread would reset the connection."""
        if not self.look():
            return
        if not self.over:
            self.server.loop.remove_reader(self.sock)
            self.post(EVENT.READABLE)
        elif self.ended or self.failed:
            self.server.loop.remove_reader(self.sock)
            if not self.unsent:
                self.destroy()

    def read(self, size):
        """Returns received bytes, b"" at the end. It looks at the connection itself: its end
        also ends the session's uploads, though no event has told of it yet."""
        if not self.arrived and not self.ended and not self.failed and self.look():
            self.server.loop.remove_reader(self.sock)
        if not self.arrived:
            if self.failed:
                raise self.failed
            need(self.ended, "EAGAIN")
            return b""
        data, self.arrived = self.arrived[:size], self.arrived[size:]
        if not self.arrived:
            self.server.loop.add_reader(self.sock, self.receive)
        return data

    def gone(self):
        """Whether the client has ended the connection and all its bytes are read."""
        if self.arrived:
            return False
        try:
            return self.ended or bool(self.failed) or not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait_for(self, task):
        """Has the next question wait for a transfer that was given up and has not ended."""
        self.clearing.add(task)
        self.server.clearing.add(task)
        task.add_done_callback(self.cleared)

    def cleared(self, task):
        self.clearing.discard(task)
        self.server.clearing.discard(task)
        self.server.cleared += 1

    def ask(self, key, work):
        """Answers a call that may wait: the guest gets EAGAIN, then an event, and calls again
        for the result of work, which runs on a thread. Another question abandons the one
        before."""
        asked = self.asked
        if asked and asked.key == key:
            need(asked.done, "EAGAIN")
            self.asked = None
            if asked.error:
                raise asked.error
            return asked.answer
        need(self.working < MAX_OWNED, "EBUSY")
        self.abandon()
        self.working += 1
        self.asked = Question(key)
        self.server.loop.create_task(self.find_out(self.asked, work))
        raise Fault("EAGAIN")

    async def find_out(self, asked, work):
        try:
            asked.answer = await self.answer(work)
        except BlockingIOError:  # a lease on the file; to the guest EAGAIN promises an event
            asked.error = Fault("EBUSY")
        except Exception as error:
            asked.error = error
        asked.done = True
        self.working -= 1
        if asked is self.asked:
            self.post(EVENT.READY)
        else:
            asked.discard()

    async def answer(self, work):
        """The result of work, on a thread. If the file is busy with an upload that was given
        up, it waits for that and tries again: the client may have come back at once. That
        upload may have ended just after work met it."""
        if self.clearing:
            await asyncio.wait(list(self.clearing))
        before = self.server.cleared
        try:
            return await asyncio.to_thread(work)
        except Fault as fault:
            if str(fault) != "EBUSY" or not self.server.clearing and self.server.cleared == before:
                raise
        if self.server.clearing:
            await asyncio.wait(list(self.server.clearing))
        return await asyncio.to_thread(work)

    def abandon(self):
        if self.asked and self.asked.done:
            self.asked.discard()
        self.asked = None

    def own(self, owned):
        need(len(self.owned) < MAX_OWNED, "EMFILE")
        owned.server, owned.session = self.server, self
        self.owned.append(self.server.add(owned))
        return owned.handle

    def disown(self, owned):
        self.server.objects.pop(owned.handle, None)
        if owned in self.owned:
            self.owned.remove(owned)

    def can(self, right):
        return bool(self.account and self.account[0] & right)

    def files(self, right):
        """The account's files, for a call that needs this right."""
        need(self.can(right), "EACCES")
        return self.account[1]

    def given_up(self):
        for owned in list(self.owned):
            owned.close()
        self.abandon()
        self.account = None
        if not self.ended and not self.failed:
            self.server.loop.add_reader(self.sock, self.receive)
        super().given_up()

    def finish(self):
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        if self.ended or self.failed:
            self.destroy()
        else:
            self.deadline.cancel()
            self.deadline = self.server.loop.call_later(LINGER_TIME, self.destroy)

    def destroy(self):
        if self.sock.fileno() >= 0:
            self.server.loop.remove_reader(self.sock)
        super().destroy()
        self.server.closed(self)
