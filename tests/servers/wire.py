"""WebSocket frames and HTTP heads as bytes: well formed, or wrong in exactly the way a test wants."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PROTOCOL = "net.measurementlab.ndt.v7"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80

# --- frames (RFC 6455 5.2) -------------------------------------------------------------------


def header(
    opcode: int, size: int, *, fin: bool = True, rsv: int = 0, mask: bytes | None = None, form: int | None = None
) -> bytes:
    """A frame's header. `form` 7, 16 or 64 forces a length encoding; without it, the shortest."""
    form = form or (7 if size < 126 else 16 if size < 1 << 16 else 64)
    masked = 0x80 if mask is not None else 0
    first = bytes([(FIN if fin else 0) | rsv << 4 | opcode])
    if form == 7:
        return first + bytes([masked | size]) + (mask or b"")
    if form == 16:
        return first + bytes([masked | 126]) + struct.pack("!H", size) + (mask or b"")
    return first + bytes([masked | 127]) + struct.pack("!Q", size) + (mask or b"")


def frame(opcode: int, payload: bytes = b"", *, mask: bytes | None = None, **how: Any) -> bytes:
    return header(opcode, len(payload), mask=mask, **how) + (xor(payload, mask) if mask else payload)


def xor(data: bytes, mask: bytes) -> bytes:
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


def close_payload(code: int | None = 1000, reason: str | bytes = "") -> bytes:
    if code is None:
        return b""
    return struct.pack("!H", code) + (reason.encode() if isinstance(reason, str) else reason)


def as_text(text: Any) -> bytes:
    """bytes and str as they are, anything else as a measurement message: JSON and a newline."""
    if isinstance(text, bytes):
        return text
    return (text if isinstance(text, str) else json.dumps(text) + "\n").encode()


@dataclass
class Frame:
    """One frame as it was read. Of payload, what the reader was told to keep, unmasked."""

    at: float  # time.monotonic() when its last byte was there
    opcode: int
    fin: bool
    rsv: int
    mask: bytes | None
    size: int
    payload: bytes = b""

    @property
    def code(self) -> int | None:
        """Of a Close; None where it is empty."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None

    def json(self) -> Any:
        return json.loads(self.payload)


def header_bytes(head: bytes) -> int:
    """How long the header that begins so is; `head` has at least two bytes."""
    return 2 + {126: 2, 127: 8}.get(head[1] & 0x7F, 0) + (4 if head[1] & 0x80 else 0)


def read_header(head: bytes) -> Frame:
    short = head[1] & 0x7F
    extended = {126: 2, 127: 8}.get(short, 0)
    size = int.from_bytes(head[2 : 2 + extended], "big") if extended else short
    mask = bytes(head[2 + extended : 6 + extended]) if head[1] & 0x80 else None
    return Frame(0.0, head[0] & 0xF, bool(head[0] & FIN), head[0] >> 4 & 7, mask, size)


# --- HTTP heads ------------------------------------------------------------------------------


@dataclass
class Request:
    method: str
    target: str
    version: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def parse(cls, head: bytes) -> Request:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, version = first.split(" ")
        return cls(method, target, version, [tuple(s.strip() for s in line.split(":", 1)) for line in lines])

    def all(self, name: str) -> list[str]:
        return [value for n, value in self.fields if n.lower() == name.lower()]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True)

    @property
    def test(self) -> str:
        """ "download" or "upload": the last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass
class Response:
    status: int
    reason: str
    lines: list[str]  # as they came, without the first
    body: bytes = b""

    @classmethod
    def parse(cls, head: bytes) -> Response:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        _, status, reason = (first + " ").split(" ", 2)
        return cls(int(status), reason.rstrip(), lines)

    def get(self, name: str) -> str:
        fields = dict((n.lower(), v.strip()) for n, v in (line.split(":", 1) for line in self.lines))
        return fields.get(name.lower(), "")


def accept_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def switching(key: str, protocol: str | None = PROTOCOL, *more: str) -> bytes:
    """The 101 to `key`, as ndt-server spells it."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {accept_of(key)}"]  # fmt: skip
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, *more, "", ""]).encode()


def answer(status: int, body: bytes | str = b"", *more: str, reason: str = "Some Reason") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", "Connection: close", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def upgrade_request(target: str, host: str, **fields: str | None) -> tuple[bytes, str]:
    """A client's request and its key. `fields` (with _ for -) replace its own; None leaves one out."""
    key = base64.b64encode(os.urandom(16)).decode()
    own: dict[str, str | None] = {
        "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": PROTOCOL,
    }  # fmt: skip
    method = fields.pop("method", "GET")
    own |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in own.items() if v is not None), "", ""]
    return "\r\n".join(lines).encode(), own["Sec-WebSocket-Key"] or ""
