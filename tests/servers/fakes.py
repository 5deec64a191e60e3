"""Servers of good will, for tests that ask something else of them, and a locate service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import wire
from scripted import Connection, Nobody, Script, Server, by_test

UPLOAD_RATE_BYTES_S = 50e6  # an upload is read no faster: the processor is for the other tests
TOKEN = "eyJhbGciOiJFZERTQSJ9.%2Ba%2Fb%3D.c-d_e~f"  # as it stands in an URL, never to be rewritten


def tcp_info(**members: Any) -> dict[str, Any]:
    return {"TCPInfo": members}


def download(c: Connection) -> None:
    """64 KiB, a measurement, and the end."""
    c.upgrade()
    c.binary(8192, times=8)
    c.text(tcp_info(ElapsedTime=1000, BytesAcked=65536, BytesSent=65536, BytesRetrans=0, MinRTT=1000, RTT=1500))
    c.close_and_end()


def upload(c: Connection) -> None:
    """Reads for 0.2 s, says what came and how long it took, and ends."""
    began = time.monotonic()
    upload_begin(c, 0.2, 2_500_000)
    elapsed_us = max(200_000, round(1e6 * (time.monotonic() - began)))
    c.text(tcp_info(ElapsedTime=elapsed_us, BytesReceived=2_500_000, MinRTT=1000))  # 100 Mbit/s, or slower
    upload_end(c)


both = by_test(download, upload)


class Stream:
    """A slow download, 160 kB/s, of so many seconds; then `then`.

    How long it was is known from both sides of each act, so that it bounds what the client says of it however late
    either of the two is: the client's clock began between the upgrade and its first pong, and it saw the last of the
    data behind its sending, before its own end.
    """

    def __init__(self, seconds: float, then: Callable[[Connection], Any] = lambda _: None):
        self.seconds, self.then = seconds, then
        self.payload_bytes, self.asked_at, self.least_s = 0, 0.0, 0.0

    def __call__(self, c: Connection) -> None:
        """In place of Connection.upgrade() and what follows it."""
        c.read_request()
        self.asked_at = time.monotonic()
        c.upgrade()
        self._send(c)
        c.ping(b"your clock runs")
        c.wait(wire.PONG)
        began = time.monotonic()
        while (now := time.monotonic()) < began + self.seconds:
            self._send(c)
            self.least_s = now - began
            c.watch(0.05)
        self.then(c)

    def _send(self, c: Connection) -> None:
        c.binary(8192)
        self.payload_bytes += 8192

    def check(self, outcome: Any) -> None:
        elapsed_s = outcome.download["elapsed_s"]
        assert self.least_s - 0.001 <= elapsed_s <= outcome.ended_at - self.asked_at, outcome
        assert outcome.download["bytes"] == self.payload_bytes, outcome


def upload_begin(c: Connection, seconds: float, at_least_bytes: int = 0) -> None:
    """Reads so long and so much: who claims more than came is not believed."""
    c.upgrade()
    c.rate_bytes_s = UPLOAD_RATE_BYTES_S
    c.watch(seconds)
    while c.bytes_read < at_least_bytes:
        c.watch(0.05)


def upload_end(c: Connection) -> None:
    c.rate_bytes_s = None
    c.close_and_end()


# --- a locate service (contract section 11) --------------------------------------------------


def target(server: Server | Nobody, *, query: str = f"access_token={TOKEN}&index=0", **more: Any) -> dict[str, Any]:
    """One entry of the service's list, with the URLs of one scripted server."""
    paths = ("/ndt/v7/download", "/ndt/v7/upload")
    scheme = "wss" if server.tls else "ws"
    host = "localhost" if server.tls else None
    return {
        "machine": f"mlab1-tst{server.port}.example",
        "hostname": f"ndt-mlab1-tst{server.port}.example",
        "location": {"city": "Springfield", "country": "US"},
        "urls": {f"{scheme}://{path}": f"{server.url(path, host)}?{query}" for path in paths},
    } | more


def listing(*targets: dict[str, Any], **more: Any) -> bytes:
    """The service's answer."""
    return wire.answer(200, json.dumps({"results": targets} | more), "Content-Type: application/json")


def locate(answer: bytes | Callable[[wire.Request], bytes]) -> Script:
    """Answers each request so."""

    def script(c: Connection) -> None:
        request = c.read_request()
        c.send(answer if isinstance(answer, bytes) else answer(request))

    return script


def locate_url(server: Server) -> str:
    return f"http://{server.address}/v2/nearest/ndt/ndt7"
