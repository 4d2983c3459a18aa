"""The one instance of the engine, and when it is called."""

import asyncio
import random
import socket
from contextlib import suppress

from abi import Engine, Fault, log, now

UNAVAILABLE = b"421 Service not available, closing control connection.\r\n"


class Server:
    def __init__(self, program, calls, login, ports):
        self.program, self.calls, self.login, self.ports = program, calls, login, ports
        self.loop = asyncio.get_running_loop()
        self.timer, self.last_handle = None, 0
        self.replace()

    def replace(self):
        """Takes a new instance. One that has trapped would still answer."""
        self.objects, self.due = {}, False
        self.engine = Engine(self.program, self.calls, self.objects)

    def add(self, owned):
        while not owned.handle or owned.handle in self.objects:
            self.last_handle = owned.handle = (self.last_handle + 1) & 0xFFFFFFFF
        self.objects[owned.handle] = owned
        return owned

    def post(self, kind, errno, session, handle, value):
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
            following = self.engine.step()
        except Exception as error:
            return self.fail(error)
        if following:
            self.timer = self.loop.call_later(max(following - now(), 0) / 1e9, self.wake)

    def fail(self, error):
        log(f"the engine failed; its sessions end: {str(error).splitlines()[0]}")
        for session in [o for o in self.objects.values() if o.kind == "SESSION"]:
            with suppress(OSError, Fault):
                session.write(UNAVAILABLE)
            session.close()
        self.replace()

    def listen(self, address):
        """A listener on a port of the range that nobody can guess."""
        first, last = self.ports
        ports = list(range(first, last + 1))
        random.shuffle(ports)
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
