"""HTTP/1.1 as far as the fake service speaks it: a request read whole, an answer as bytes, and what can go wrong
with one."""

from __future__ import annotations

import asyncio
import dataclasses
import email.parser
import email.policy
import gzip
import json
import socket
import struct
from typing import Any

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024
REASONS = {
    101: "Switching Protocols", 200: "OK", 201: "Created", 302: "Found", 307: "Temporary Redirect", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 422: "Unprocessable", 500: "Internal Server Error",
}  # fmt: skip


@dataclasses.dataclass
class Part:
    """A field of multipart/form-data."""

    name: str
    filename: str | None
    type: str | None
    content: bytes


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    at: float = 0.0  # of the event loop's clock, when it was read
    endpoint: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)  # rules that it breaks

    @property
    def path(self) -> str:
        return self.target.split("?")[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    def boundary(self) -> str | None:
        kind, _, rest = (self.header("Content-Type") or "").partition(";")
        name, _, value = rest.strip().partition("=")
        return value.strip('"') if kind == "multipart/form-data" and name == "boundary" else None

    def parts(self) -> list[Part]:
        """RFC 7578, strictly: CR LF around each boundary, nothing before the first and after the last."""
        boundary = self.boundary()
        assert boundary, "no multipart/form-data"
        mark = b"--" + boundary.encode()
        assert self.body.startswith(mark + b"\r\n") and self.body.endswith(b"\r\n" + mark + b"--\r\n"), "no whole form"
        return [_part(piece) for piece in (b"\r\n" + self.body).split(b"\r\n" + mark)[1:-1]]

    def as_json(self) -> dict[str, Any]:
        """For a record that outlives the test."""
        body = self.body.decode(errors="replace")
        return {"endpoint": self.endpoint, "method": self.method, "target": self.target, "at": self.at,
                "headers": self.headers, "body": body, "problems": self.problems}  # fmt: skip


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + b"\r\n\r\n")
    disposition = fields["Content-Disposition"]
    assert disposition and disposition.content_disposition == "form-data", f"a part that is no form's: {head!r}"
    return Part(disposition.params["name"], disposition.params.get("filename"), fields.get("Content-Type"), content)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """None: the client is gone, or it is no request."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if len(words) != 3 or words[2] != "HTTP/1.1":
        return None
    request = Request(words[0], words[1], headers, b"")
    length = int(request.header("Content-Length") or 0)
    assert length <= BODY_BYTES_MAX
    try:
        request.body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request.at = asyncio.get_running_loop().time()
    return request


@dataclasses.dataclass
class Answer:
    status: int
    body: bytes = b""
    type: str = "application/json; charset=utf-8"
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Fault:
    """What happens to one answer; without any of these it goes out as it is."""

    status: int | None = None  # this one instead, with `body`, and nothing is done for the request
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()  # added
    redirect: str | None = None  # 302 to there (or `status`)
    after: bool = False  # the request is carried out, and only its answer is lost: for status, reset_at, cut_at, silent
    delay_s: float = 0.0
    silent: bool = False  # nothing is ever answered
    reset_at: int | None = None  # RST after so many bytes of the answer
    cut_at: int | None = None  # FIN likewise
    bytes_s: float | None = None  # byte by byte
    gzip: bool = False
    chunked: bool = False
    endless_bytes: int = 0  # of body, so many
    garbage: bytes | None = None  # instead of HTTP


def encode(answer: Answer, fault: Fault) -> bytes:
    if fault.garbage is not None:
        return fault.garbage
    body, headers = answer.body, [*answer.headers, *fault.headers]
    if fault.gzip:
        body = gzip.compress(body)
        headers.append(("Content-Encoding", "gzip"))
    if fault.chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
    else:
        headers.append(("Content-Length", str(len(body) + fault.endless_bytes)))
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}", f"Content-Type: {answer.type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


async def send(writer: asyncio.StreamWriter, answer: Answer, fault: Fault) -> None:
    """With the fault. The client may go at any time."""
    data = encode(answer, fault)
    if fault.silent:
        await asyncio.sleep(3600)
    end = min(n for n in (fault.reset_at, fault.cut_at, len(data)) if n is not None)
    try:
        if fault.bytes_s:
            for byte in data[:end]:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1 / fault.bytes_s)
        else:
            writer.write(data[:end])
            await writer.drain()
        left = fault.endless_bytes
        while left > 0:
            piece = b" " * min(left, 65536)
            writer.write(piece)
            await writer.drain()
            left -= len(piece)
        if fault.reset_at is not None:
            reset(writer)
    except ConnectionError:
        pass


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection by RST. What was written before goes first."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
