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
    """An error in one line: of Wasmtime's the cause, which comes after the guest's stack."""
    lines = str(error).split("Caused by:")[-1].strip().splitlines()
    return lines[0].strip() if lines else repr(error)


class Server:
    """A host for one instance of the engine.

    login(user, password) returns (rights, files), or None to refuse. ports are the first and
    the last port for passive data connections; (0, 0) is any free port."""

    def __init__(self, program, login, ports):
        self.program, self.login, self.ports = program, login, ports
        self.loop = asyncio.get_running_loop()
        self.objects, self.last_handle = {}, 0
        self.engine = self.timer = None
        self.due = self.draining = False
        self.sessions, self.drained = set(), asyncio.Event()
        self.clearing = set()  # transfers of all sessions that were given up and have not ended yet
        self.cleared = 0  # how many have
        self.start()

    def start(self):
        """Starts an engine if there is none."""
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
        """Forgets a session whose connection is closed."""
        self.sessions.discard(session)
        if self.draining and not self.sessions:
            self.drained.set()

    def drain(self):
        """Ends idle sessions with 421, the others when they are idle. Sets drained when all
        have ended."""
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
        """Ends the instance and all sessions. A trapped instance would still answer, so the
        next session gets a new one."""
        said = self.engine.printed.decode(errors="replace").partition("\n")[0]
        log(f"the engine failed; its sessions end: {said or reason(error)}")
        self.engine.store.close()
        self.engine = None
        for session in [o for o in self.objects.values() if o.kind == "SESSION"]:
            with suppress(OSError, Fault):
                session.write(UNAVAILABLE)
            session.close()

    def listen(self, address):
        """A socket that listens on a random port of the range."""
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
