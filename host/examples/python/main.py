#!/usr/bin/env python3
"""wasiftp in Python: serves a folder by FTP with the engine in wasiftp.wasm."""

import argparse
import asyncio
import hashlib
import hmac
import os
import re
import signal
import socket
from pathlib import Path

from abi import RIGHTS, Program, log
from files import Files
from server import Server, reason


def address(text):
    found = re.fullmatch(r"\[?(.*?)\]?:(\d{1,5})", text)
    if not found or int(found[2]) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not ADDRESS:PORT")
    return found[1] or "::", int(found[2])


def user(text):
    """NAME:PASSWORD[:ro|rw]. With more than one colon the last part must be rights: else
    mistyped rights would become part of the password."""
    name, _, rest = text.partition(":")
    password, colon, may = rest.rpartition(":")
    if not colon:
        password, may = rest, "ro"
    if not name or not password or may not in ("ro", "rw"):
        raise argparse.ArgumentTypeError("a user is NAME:PASSWORD[:ro|rw]; a password with a colon takes rights behind it")
    return os.fsencode(name), (os.fsencode(password), RIGHTS[may])


def port_range(text):
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 0 < first <= last <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not A-B")
    return first, last


def parser():
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    p.add_argument("--module", metavar="FILE", default=str(Path(__file__).parents[2] / "wasiftp.wasm"),
        help="the engine; ../../wasiftp.wasm by default")
    p.add_argument("--listen", metavar="ADDR", type=address, action="append",
        help="where to listen, repeatable; 127.0.0.1:2121 by default")
    p.add_argument("--root", metavar="DIR", default=".", help="the folder; the current one by default")
    p.add_argument("--user", metavar="NAME:PASSWORD[:ro|rw]", type=user, action="append", default=[],
        help="a user, who may read unless said; repeatable")
    p.add_argument("--anonymous", choices=list(RIGHTS),
        help="what those without a password may do; ro when there is no user, else off")
    p.add_argument("--passive-ports", metavar="A-B", type=port_range, default=(0, 0),
        help="ports for passive data connections; any free one by default")
    return p


def digest(password):
    return hashlib.sha256(password).digest()


def accounts(users, anonymous, files):
    """Server's login for these users. An unknown user takes as long as a wrong password."""

    def login(name, password):
        if anonymous and name.lower() in (b"anonymous", b"ftp") and name not in users:
            return anonymous, files
        wanted, rights = users.get(name, (b"", 0))
        right = hmac.compare_digest(digest(wanted), digest(password))
        return (rights, files) if right and rights else None

    return login


def listen(where):
    host, port = where
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(where, family=family, backlog=128, dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6())


async def serve(listener, server):
    listener.setblocking(False)
    with listener:
        while True:
            try:
                sock, client = await server.loop.sock_accept(listener)
            except OSError:  # there are no descriptors left, or the like
                await asyncio.sleep(0.1)
                continue
            try:
                server.open(sock, client)
            except OSError:  # the client has hung up already
                sock.close()


def attempt(p, failure, work, *args):
    try:
        return work(*args)
    except Exception as error:
        p.error(f"{failure}: {reason(error)}")


async def main():
    p = parser()
    o, rest = p.parse_known_args()
    if rest:
        p.error("there is no " + rest[0].partition("=")[0])  # without the rest, which may be a password
    users = dict(o.user)
    if len(users) < len(o.user):
        p.error("a user is given twice")
    anonymous = RIGHTS[o.anonymous or ("off" if users else "ro")]
    listeners = [attempt(p, "cannot listen on {}:{}".format(*a), listen, a) for a in o.listen or [("127.0.0.1", 2121)]]
    files = attempt(p, "cannot serve " + o.root, Files, o.root)
    program = attempt(p, "cannot run " + o.module, Program, o.module)
    server = attempt(p, "cannot run " + o.module, Server, program, accounts(users, anonymous, files), o.passive_ports)
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        log(f"ftp://[{host}]:{port}/" if ":" in host else f"ftp://{host}:{port}/", to=1)
    serving = [server.loop.create_task(serve(listener, server)) for listener in listeners]

    def stop():  # the first signal waits until all sessions have ended, the second does not
        for task in serving:
            task.cancel()
        if server.draining:
            server.drained.set()
        server.drain()

    for number in (signal.SIGINT, signal.SIGTERM):
        server.loop.add_signal_handler(number, stop)
    await server.drained.wait()


if __name__ == "__main__":
    asyncio.run(main())
