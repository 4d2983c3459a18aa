"""The one instance of the engine, and when it is called."""

import asyncio
import random
import socket
from contextlib import suppress

from abi import EVENT, Engine, Fault, log, now
from imports import CALLS
from session import Session

UNAVAILABLE = b"421 Service not available, closing control connection.\r\n"


def reason(error):
    """An error in one line: Wasmtime's last, which comes behind the guest's stack."""
    lines = str(error).split("Caused by:")[-1].strip().splitlines()
    return lines[0].strip() if lines else repr(error)


class Server:
    """A host for one instance of the engine.

    login(user, password) is (rights, files), or None; ports are the first and the last
    for passive data connections, (0, 0) being any free one."""

    def __init__(self, program, login, ports):
        self.program, self.login, self.ports = program, login, ports
        self.loop = asyncio.get_running_loop()
        self.objects, self.last_handle = {}, 0
        self.engine = self.timer = None
        self.due = self.draining = False
        self.sessions, self.drained = set(), asyncio.Event()
        self.clearing = set()  # transfers of any session that were given up and have not ended yet
        self.start()

    def start(self):
        """Makes sure that there is an engine."""
        if not self.engine:
            self.engine = Engine(self.program, CALLS, self.objects)

    def open(self, sock, client):
        """Gives the engine a new control connection."""
        try:
            self.start()
        except Exception as error:
            log(f"no engine for a session: {reason(error)}")
            sock.send(UNAVAILABLE)
            return sock.close()
        self.sessions.add(Session(self, sock, client))

    def closed(self, session):
        """Is told when the connection of a session is closed."""
        self.sessions.discard(session)
        if self.draining and not self.sessions:
            self.drained.set()

    def drain(self):
        """Makes idle sessions end with 421, the others when they are idle; drained is set
        then."""
        self.draining = True
        self.post(EVENT.DRAIN, 0, 0, 0, 0)
        self.closed(None)

    def add(self, owned):
        while not owned.handle or owned.handle in self.objects:
            self.last_handle = owned.handle = (self.last_handle + 1) & 0xFFFFFFFF
        self.objects[owned.handle] = owned
        return owned

    def post(self, kind, errno, session, handle, value):
        if self.engine:
            self.engine.events.append((kind, errno, session, handle, value))
            self.wake()

    def wake(self):
        if not self.due:
            self.due = True
            self.loop.call_soon(self.step)

    def step(self):
        self.due = False
        if self.timer:
            self.timer.cancel()
        try:
            following = self.engine.step() if self.engine else 0
        except Exception as error:
            return self.abandon(error)
        if following:
            self.timer = self.loop.call_later(max(following - now(), 0) / 1e9, self.wake)

    def abandon(self, error):
        """Ends all sessions and the instance: one that has trapped would still answer.
        The next session gets another."""
        said = self.engine.printed.decode(errors="replace").partition("\n")[0]
        log(f"the engine failed; its sessions end: {said or reason(error)}")
        self.engine.store.close()
        self.engine = None
        for session in [o for o in self.objects.values() if o.kind == "SESSION"]:
            with suppress(OSError, Fault):
                session.write(UNAVAILABLE)
            session.close()

    def listen(self, address):
        """A listener on a port of the range that nobody can guess."""
        first, last = self.ports
        ports = list(range(first, last + 1))
        random.SystemRandom().shuffle(ports)
        for port in ports:
            sock = socket.socket(socket.AF_INET6 if len(address) == 4 else socket.AF_INET)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address[0], port, *address[2:]))
                sock.listen()
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure
