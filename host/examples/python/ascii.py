"""Representation type ASCII (RFC 959 §3.1.1.1): lines end in LF in a file and in CRLF on
the wire. A line that ends in CRLF already stays as it is on the way out, and on the way
in CR goes only before LF."""


class ToWire:
    def __init__(self):
        self.last = b""

    def convert(self, data):
        out = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if self.last == b"\r" and data[:1] == b"\n":
            out = out[1:]
        self.last = data[-1:]
        return out


class ToFile:
    def __init__(self):
        self.held = b""  # a CR of which is not known yet what follows

    def convert(self, data):
        data = self.held + data
        self.held = b"\r" if data.endswith(b"\r") else b""
        return data[: len(data) - len(self.held)].replace(b"\r\n", b"\n")
