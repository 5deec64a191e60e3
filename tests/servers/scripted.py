"""Peers that do exactly what a script says, on raw sockets.

A server plays one script per connection, in a thread of its own:

    def script(c):
        c.upgrade()                       # reads the request, answers 101
        c.binary(8192)
        c.ping(b"17")
        c.wait(wire.PONG, within=1)
        c.close(1000)
        c.until_end()

    with scripted.Server(script) as server:
        outcome = pod.test("--server", server.url(), "--download")
    assert server.only.frames[0].payload == b"17"

A script is one thread: while it sends nothing is read, and what came meanwhile is recorded by the
next wait(), watch() or until_end(). When the client leaves, the script ends there (Gone), which is
no failure; a wait() that waited in vain is one, raised when the server is left.

dial() is the same connection from a client's side, for tests of our server.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import wire

READ_BYTES = 1 << 18
SEND_LIMIT_S = 20.0
JOIN_LIMIT_S = 5.0
WAIT_S = 4.0  # for what comes at once where nothing else runs; ends a wait for what never comes


class Gone(Exception):
    """The other side has ended the connection."""


class InVain(Exception):
    """What a script waited for did not come."""


class Connection:
    """One connection of ours, from either side; everything that came on it is kept."""

    def __init__(self, sock: socket.socket, *, masks: bool = False):
        self.sock = sock
        self.masks = masks  # what we send: the side of a client
        self.began = time.monotonic()
        self.request: wire.Request | None = None
        self.frames: list[wire.Frame] = []
        self.bytes_read = 0
        self.bytes_sent = 0
        self.ended: str | None = None  # how the other side ended it: "fin", "rst"
        self.ended_at = 0.0
        self.tls_error: str | None = None
        self.rate_bytes_s: float | None = None  # read no faster than so
        self.keep_bytes = 1 << 20  # of each text or control frame
        self.keep_binary_bytes = 0  # of each binary frame
        self._buffer = bytearray()
        self._scratch = bytearray(READ_BYTES)
        self._current: wire.Frame | None = None
        self._left = 0
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- reading ---

    def _receive(self, until: float) -> memoryview:
        """Some bytes, empty when `until` passes first."""
        left = until - time.monotonic()
        if left <= 0 and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return memoryview(b"")
        self.sock.settimeout(max(left, 0.001))
        try:
            n = self.sock.recv_into(self._scratch)
        except (TimeoutError, ssl.SSLWantReadError):
            return memoryview(b"")
        except ssl.SSLEOFError:
            n = 0  # without close_notify
        except OSError as why:
            self._end("rst", why)
        if n == 0:
            self._end("fin")
        self.bytes_read += n
        if self.rate_bytes_s:
            time.sleep(n / self.rate_bytes_s)
        return memoryview(self._scratch)[:n]

    def _end(self, how: str, why: Exception | None = None) -> None:
        if not self.ended:
            self.ended, self.ended_at = how, time.monotonic()
        raise Gone(how) from why

    def read_head(self, within: float = 10.0) -> bytes:
        """Up to and with the empty line."""
        until = time.monotonic() + within
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            data = self._receive(until)
            if not data:
                raise InVain(f"no whole HTTP head within {within:g} s, only {bytes(self._buffer)!r}")
            self._buffer += data
        head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        return head

    def read_body(self, size: int, within: float = 5.0) -> bytes:
        until = time.monotonic() + within
        while len(self._buffer) < size:
            data = self._receive(until)
            if not data:
                raise InVain(f"a body of {size} bytes within {within:g} s, only {bytes(self._buffer)!r}")
            self._buffer += data
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def next_frame(self, until: float) -> wire.Frame | None:
        """The next frame, or None when it is not whole by `until`. A frame cut by that is gone on with."""
        while True:
            frame = self._take_frame()
            if frame:
                self.frames.append(frame)
                return frame
            data = self._receive(until)
            if not data:
                return None
            self._buffer += data

    def _take_frame(self) -> wire.Frame | None:
        """Takes from the buffer what can be used; a frame when one is whole."""
        if not self._current:
            if len(self._buffer) < 2 or len(self._buffer) < wire.header_bytes(self._buffer):
                return None
            self._current = wire.read_header(self._buffer)
            del self._buffer[: wire.header_bytes(self._buffer)]
            self._left = self._current.size
        frame = self._current
        wanted = self.keep_bytes if frame.opcode not in (wire.BINARY, wire.CONTINUATION) else self.keep_binary_bytes
        taken = min(self._left, len(self._buffer))
        keep = min(max(wanted - len(frame.payload), 0), taken)
        if keep:
            frame.payload += bytes(self._buffer[:keep])
        del self._buffer[:taken]
        self._left -= taken
        if self._left:
            return None
        frame.at = time.monotonic()
        if frame.mask:
            frame.payload = wire.xor(frame.payload, frame.mask)
        self._current = None
        return frame

    def wait(self, *opcodes: int, within: float = WAIT_S) -> wire.Frame:
        """The next frame of one of these kinds."""
        until = time.monotonic() + within
        while frame := self.next_frame(until):
            if frame.opcode in opcodes:
                return frame
        raise InVain(f"no frame of kind {opcodes} within {within:g} s; came: {self.frames[-5:]}")

    def watch(self, seconds: float) -> None:
        """Reads whatever comes for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.next_frame(until)

    def until_end(self, within: float = 20.0) -> str:
        """Reads until the other side ends it: "fin" or "rst"."""
        until = time.monotonic() + within
        with contextlib.suppress(Gone):
            while time.monotonic() < until:
                self.next_frame(until)
            raise InVain(f"the connection still stands after {within:g} s")
        return self.ended or ""

    # --- writing ---

    def send(self, data: bytes) -> None:
        self.sock.settimeout(SEND_LIMIT_S)
        try:
            self.sock.sendall(data)
            self.bytes_sent += len(data)
        except OSError as why:
            if not self.ended:
                self.ended, self.ended_at = "rst", time.monotonic()
            raise Gone(str(why)) from why

    def trickle(self, data: bytes, gap_s: float = 0.0) -> None:
        """Byte by byte, each in a segment of its own, with `gap_s` between two."""
        for i in range(len(data)):
            self.send(data[i : i + 1])
            if gap_s:
                self.pause(gap_s)

    def pause(self, seconds: float) -> None:
        """Does nothing for so long; ends early when the other side is gone (only looked at, not read)."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
            if self.sock.fileno() < 0 or peer_has_closed(self.sock):
                raise Gone("while pausing")

    def frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        if self.masks and "mask" not in how:
            how["mask"] = b"\x5a\xa5\x0f\xf0"
        self.send(wire.frame(opcode, payload, **how))

    def binary(self, size: int, times: int = 1) -> None:
        for _ in range(times):
            self.frame(wire.BINARY, bytes(size))

    def text(self, text: Any) -> None:
        self.frame(wire.TEXT, wire.as_text(text))

    def ping(self, payload: bytes = b"") -> None:
        self.frame(wire.PING, payload)

    def close(self, code: int | None = 1000, reason: str | bytes = "Done sending") -> None:
        self.frame(wire.CLOSE, wire.close_payload(code, reason if code else ""))

    def close_and_end(self, code: int | None = 1000) -> None:
        """The normal end from a server's side: Close, the client's Close, FIN."""
        self.close(code)
        self.wait(wire.CLOSE, within=5)
        self.end()

    def end(self) -> None:
        """FIN, without TLS close_notify where there is TLS."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        """RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # --- HTTP ---

    def read_request(self, within: float = 10.0) -> wire.Request:
        if not self.request:
            self.request = wire.Request.parse(self.read_head(within))
        return self.request

    def upgrade(self, protocol: str | None = wire.PROTOCOL, *more: str, behind: bytes = b"") -> None:
        """Reads the request and answers 101; `behind` goes into the same segment."""
        self.send(wire.switching(self.read_request().get("Sec-WebSocket-Key"), protocol, *more) + behind)

    # --- what came ---

    def of(self, opcode: int) -> list[wire.Frame]:
        return [f for f in self.frames if f.opcode == opcode]

    def payload_bytes(self) -> int:
        return sum(f.size for f in self.frames if f.opcode in (wire.CONTINUATION, wire.BINARY))


def peer_has_closed(sock: socket.socket) -> bool:
    """From the kernel's state of the socket, so that what waits to be read stays there."""
    with contextlib.suppress(OSError):
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state in (7, 8)  # TCP_CLOSE, TCP_CLOSE_WAIT
    return True


Script = Callable[[Connection], None]


class Server:
    """Listens on loopback and plays `script` to each connection."""

    def __init__(
        self,
        script: Script,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        receive_buffer_bytes: int | None = None,
    ):
        self.script = script
        self.host = host
        self.tls = tls
        self.connections: list[Connection] = []
        self.failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=64)
        if receive_buffer_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.port: int = self._listener.getsockname()[1]

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, path: str = "", host: str | None = None) -> str:
        address = f"{host}:{self.port}" if host else self.address
        return f"{'wss' if self.tls else 'ws'}://{address}{path}"

    @property
    def only(self) -> Connection:
        """The one connection there was."""
        assert len(self.connections) == 1, f"{len(self.connections)} connections came, not one"
        return self.connections[0]

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        until = time.monotonic() + JOIN_LIMIT_S
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        for connection in self.connections:
            connection.end()
        if kind is None and self.failures:
            raise self.failures[0]

    def _start(self, what: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=what, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # __exit__
            connection = Connection(sock)
            self.connections.append(connection)
            self._start(self._play, connection)

    def _play(self, c: Connection) -> None:
        try:
            if self.tls:
                self._secure(c)
            self.script(c)
        except Gone:
            pass
        except (Exception, KeyboardInterrupt) as failure:
            self.failures.append(failure)
        finally:
            c.end()

    def _secure(self, c: Connection) -> None:
        c.sock.settimeout(10)
        try:
            c.sock = self.tls.wrap_socket(c.sock, server_side=True, suppress_ragged_eofs=False)
        except (ssl.SSLError, OSError) as why:
            c.tls_error = str(why)
            raise Gone("during the TLS handshake") from why


class Nobody:
    """Where nobody listens, with as much of a Server as names it. Its port is taken: a test beside this one may not
    be given it meanwhile."""

    tls = None

    def __init__(self, host: str = "127.0.0.1"):
        self.host = host
        self._socket = socket.socket(socket.AF_INET)  # bound, and never to listen
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{host}:{self.port}"

    def url(self, path: str = "", host: str | None = None) -> str:
        return f"ws://{self.address}{path}"


def by_test(download: Script, upload: Script) -> Script:
    """One script for each direction, chosen by the path that is asked for."""

    def script(c: Connection) -> None:
        (download if c.read_request().test == "download" else upload)(c)

    return script


def in_turn(scripts: Iterable[Script]) -> Script:
    """The n-th connection gets the n-th script."""
    left = iter(scripts)

    def script(c: Connection) -> None:
        next(left)(c)

    return script


def refuse(status: int, body: bytes | str = b"", *more: str) -> Script:
    """Answers each request so, and ends."""

    def script(c: Connection) -> None:
        c.read_request()
        c.send(wire.answer(status, body, *more))

    return script


def dial(address: str, tls: ssl.SSLContext | None = None, receive_buffer_bytes: int | None = None) -> Connection:
    """A client's connection to host:port."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if receive_buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    sock.settimeout(5)
    sock.connect((host, int(port)))
    if tls:
        sock = tls.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
    return Connection(sock, masks=True)


def ask(c: Connection, target: str, **fields: str | None) -> wire.Response:
    """Sends an upgrade request and reads the answer, with its body unless it is a 101."""
    request, key = wire.upgrade_request(target, "127.0.0.1", **fields)
    c.send(request)
    response = wire.Response.parse(c.read_head())
    if response.status == 101:
        assert response.get("Sec-WebSocket-Accept") == wire.accept_of(key)
    elif response.get("Content-Length"):
        response.body = c.read_body(int(response.get("Content-Length")))
    return response
