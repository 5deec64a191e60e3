"""A pod service on one port of loopback: Action Cable over WebSocket as the contract has it, registration and the
heartbeat over HTTP, and every misbehaviour of theirs, switched on by name. Own code, asyncio in a thread."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
POD, SECRET = "rk7m2q9xw3zt", "hT7wQ9mZp2K"

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = False) -> bytes:
    n = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", n)
    if masked:
        key = b"\x01\x02\x03\x04"
        payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        head += key
    return head + payload


@dataclass
class Connection:
    """One request for the socket, from its acceptance to its end."""

    at: float
    target: str
    headers: list[tuple[str, str]]
    writer: asyncio.StreamWriter
    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    controls: list[tuple[float, int, bytes]] = field(default_factory=list)
    confirmed_at: float | None = None
    ended_at: float | None = None
    identifier: str = ""

    def header(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def actions(self, name: str) -> list[tuple[float, Any]]:
        found = []
        for at, f in self.frames:
            if f.get("command") == "message":
                data = json.loads(f["data"])
                if data["action"] == name:
                    found.append((at, data["payload"]))
        return found

    @property
    def close_code(self) -> int | None:
        for _, opcode, payload in self.controls:
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
        return None


@dataclass
class Request:
    at: float
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)


class Socket:
    """The service's side of the WebSocket, in the event loop of whoever has it. `manner` is how it behaves:
    serve, http404, no_answer, cut (after 101), mute (101 and silence), no_welcome, no_confirm, reject, unauthorized,
    restart (a disconnect frame after the confirmation), silent (no frames after it), reset (RST after it),
    wrong_accept, masked (its frames are)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.manner = "serve"
        self.ping_s = 3.0
        self.close_answered = True
        self.connections: list[Connection] = []
        self.on_sync: Callable[[], Any] = lambda: None  # what is said by itself behind a sync, None: nothing
        self._loop = loop

    def confirmed(self) -> list[Connection]:
        return [c for c in self.connections if c.confirmed_at is not None]

    def say(self, data: bytes) -> None:
        """Raw bytes on the newest connection."""
        connection = self.connections[-1]
        self._loop.call_soon_threadsafe(connection.writer.write, data)

    def say_text(self, text: str) -> None:
        self.say(frame(TEXT, text.encode()))

    def say_json(self, value: Any) -> None:
        self.say_text(json.dumps(value))

    def broadcast(self, event: str, payload: Any) -> None:
        identifier = self.connections[-1].identifier
        self.say_json({"identifier": identifier, "message": {"event": event, "payload": payload}})

    def break_off(self, *, reset: bool) -> None:
        """The newest connection ends without a Close: FIN, or RST."""
        transport = self.connections[-1].writer.transport
        self._loop.call_soon_threadsafe(transport.abort if reset else transport.close)

    # --- inside the loop ---

    async def serve(self, c: Connection, reader: asyncio.StreamReader) -> None:
        """From the request, which was read, to the end."""
        self.connections.append(c)
        try:
            await self._socket(c, reader)
        finally:
            c.ended_at = time.monotonic()

    async def _socket(self, c: Connection, reader: asyncio.StreamReader) -> None:
        manner = self.manner
        if manner == "no_answer":
            await asyncio.sleep(3600)
        if manner == "http404":
            c.writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\nPage not found")
            await c.writer.drain()
            return
        key = c.header("Sec-WebSocket-Key")[0].encode()
        accept = base64.b64encode(hashlib.sha1(key + (b"x" if manner == "wrong_accept" else GUID)).digest()).decode()
        c.writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        await c.writer.drain()
        if manner == "cut":
            return
        pinging = None
        try:
            if manner == "unauthorized":
                await self._tell(c, {"type": "disconnect", "reason": "unauthorized", "reconnect": False})
                c.writer.write(frame(CLOSE, struct.pack(">H", 1000)))
            elif manner not in ("mute", "no_welcome"):
                await self._tell(c, {"type": "welcome"})
            if manner not in ("mute", "unauthorized"):
                pinging = asyncio.ensure_future(self._ping(c, manner))
            await self._listen(c, reader, manner)
        finally:
            if pinging:
                pinging.cancel()

    async def _tell(self, c: Connection, value: Any) -> None:
        payload = json.dumps(value).encode()
        c.writer.write(frame(TEXT, payload, masked=self.manner == "masked"))
        await c.writer.drain()

    async def _ping(self, c: Connection, manner: str) -> None:
        while not (manner == "silent" and c.confirmed_at):
            await self._tell(c, {"type": "ping", "message": int(time.time())})
            await asyncio.sleep(self.ping_s)

    async def _listen(self, c: Connection, reader: asyncio.StreamReader, manner: str) -> None:
        while True:
            first, second = await reader.readexactly(2)
            n = second & 0x7F
            assert second & 0x80, "a client masks"
            if n == 126:
                (n,) = struct.unpack(">H", await reader.readexactly(2))
            elif n == 127:
                (n,) = struct.unpack(">Q", await reader.readexactly(8))
            key = await reader.readexactly(4)
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(await reader.readexactly(n)))
            opcode = first & 0x0F
            if opcode != TEXT:
                c.controls.append((time.monotonic(), opcode, payload))
                if opcode == CLOSE:
                    if self.close_answered:
                        c.writer.write(frame(CLOSE, payload[:2]))
                        await c.writer.drain()
                        return
                continue
            message = json.loads(payload)
            c.frames.append((time.monotonic(), message))
            if message["command"] == "subscribe":
                await self._subscribe(c, message["identifier"], manner)
            elif json.loads(message["data"])["action"] == "sync" and (said := self.on_sync()):
                await self._tell(c, said)

    async def _subscribe(self, c: Connection, identifier: str, manner: str) -> None:
        c.identifier = identifier
        if manner == "no_confirm":
            return
        kind = "reject_subscription" if manner == "reject" else "confirm_subscription"
        if manner != "reject":
            c.confirmed_at = time.monotonic()
        await self._tell(c, {"identifier": identifier, "type": kind})
        if manner == "reject":
            return
        if manner == "restart":
            await self._tell(c, {"type": "disconnect", "reason": "server_restart", "reconnect": True})
        if manner == "reset":
            c.writer.transport.abort()


class Service(Socket):
    """The socket, registration and the heartbeat on a port of their own."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(asyncio.new_event_loop())
        self.requests: list[Request] = []
        self.on_status: Callable[[Request], tuple[int, bytes]] = lambda _: (200, b'{"test_requested":null}')
        self.on_register: Callable[[Request], tuple[int, bytes]] = lambda _: (201, self.registered())
        self.tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}"

    @staticmethod
    def registered() -> bytes:
        return json.dumps({"id": 4711, "unix_user": POD, "secret": SECRET, "name": None}).encode()

    def statuses(self) -> list[Request]:
        return [r for r in self.requests if r.path.endswith("/status")]

    def registrations(self) -> list[Request]:
        return [r for r in self.requests if r.path == "/api/v1/clients"]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # --- inside the thread ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        at = time.monotonic()
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines if line)]
        if target == "/api/v1/clients/ws":
            await self.serve(Connection(at, target, headers, writer), reader)
            return False
        length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
        request = Request(at, method, target, headers, await reader.readexactly(length))
        self.requests.append(request)
        answer = self.on_register if target == "/api/v1/clients" else self.on_status
        status, body = answer(request)
        if status == 0:
            writer.transport.abort()
            return False
        writer.write(
            f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()
        return True
