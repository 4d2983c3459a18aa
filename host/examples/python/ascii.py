"""Representation type ASCII (RFC 959 §3.1.1.1): lines end in LF in a file and in CRLF on
the wire. A line of a file that ends in CRLF is sent as it is. Of received bytes a CR is
removed only before LF."""


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
        self.held = b""  # a CR at the end of the data before: the next byte decides

    def convert(self, data):
        data = self.held + data
        self.held = b"\r" if data.endswith(b"\r") else b""
        return data[: len(data) - len(self.held)].replace(b"\r\n", b"\n")
