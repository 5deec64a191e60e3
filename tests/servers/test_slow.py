"""Servers that take their time, and servers that never stop: bars H2 and H3.

A byte every five seconds, in each stage in turn; then data without end. Each ends within the stage's
deadline, says which stage it was, and holds no more memory for it.
"""

from __future__ import annotations

import gzip
import re
import socket
import struct

import pytest

import certificates
import fakes
import pod
import wire
from pod import LATE_S
from scripted import Connection, Server

pytestmark = [pytest.mark.at_once, pytest.mark.moves]

GAP_S = 5.0
CONNECT_S, LOCATE_S, STALL_S, CAP_S = 7.0, 10.0, 7.0, 13.0
MEMORY_MAX = 64 << 20


def check_refused(outcome: pod.Outcome, seconds: float, limit_s: float, words: str) -> None:
    """`seconds` are since a moment that the client's deadline was running at."""
    assert outcome.status == 1, outcome
    assert limit_s <= outcome.seconds and seconds < limit_s + LATE_S, f"{seconds:.2f} s, {outcome}"
    assert re.search(words, outcome.stderr, re.IGNORECASE), outcome


# --- H2: name resolution is in test_network.py -----------------------------------------------


def test_H2_connect():
    """Nobody takes the connection: the queue of a listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(address)
            waiting.append(s)
        # Nobody sees it connect, so the clock runs from its start: without BPF programs that is the same.
        outcome = pod.test("--server", f"ws://127.0.0.1:{address[1]}", "--download", "--stats", "tcp_info")
        for s in waiting:
            s.close()
    check_refused(outcome, outcome.seconds, CONNECT_S, "connect to 127.0.0.1.*within 7 s")


def accepts_and_is_silent(c: Connection) -> None:
    c.pause(30)


def test_accepts_and_says_nothing():
    server, outcome = pod.against(accepts_and_is_silent, "--download")
    check_refused(outcome, outcome.seconds_since(server.only), CONNECT_S, "answer to the WebSocket request.*within 7 s")


def server_hello() -> bytes:
    """The first record of a TLS 1.2 handshake, as far as it matters: its length is 80."""
    return struct.pack("!BHHB", 0x16, 0x303, 80, 2) + bytes(79)


@pytest.mark.parametrize("slow", [True, False], ids=["a byte at a time", "silence"])
def test_H2_tls(slow: bool):
    def script(c: Connection) -> None:
        c.sock.settimeout(5)
        c.sock.recv(4096)
        if slow:
            c.trickle(server_hello(), GAP_S)
        c.pause(30)

    with Server(script) as server:
        outcome = pod.test("--server", f"wss://127.0.0.1:{server.port}", "--download")
    check_refused(outcome, outcome.seconds_since(server.only), CONNECT_S, "TLS.*within 7 s")


def test_H2_upgrade():
    def script(c: Connection) -> None:
        c.trickle(wire.switching(c.read_request().get("Sec-WebSocket-Key")), GAP_S)

    server, outcome = pod.against(script, "--download")
    check_refused(outcome, outcome.seconds_since(server.only), CONNECT_S, "answer to the WebSocket request.*within 7 s")


def test_H2_upgrade_header_by_header():
    """Whole fields, one every second, without end: the budget is for all of it."""

    def script(c: Connection) -> None:
        c.read_request()
        c.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            c.send(b"X-Wait: a little\r\n")
            c.pause(1)

    server, outcome = pod.against(script, "--download")
    check_refused(outcome, outcome.seconds_since(server.only), CONNECT_S, "answer to the WebSocket request.*within 7 s")


# What of a frame comes at once, what a byte at a time. Payload of a binary is measured as it comes, so
# each byte of it is a sign of life; of other frames only the whole is.
SLOW_FRAMES = {
    "frame header": (b"", wire.header(wire.BINARY, 1 << 20), "stall"),
    "payload": (wire.header(wire.BINARY, 1 << 20), bytes(100), "cap"),
    "text": (wire.header(wire.TEXT, 14), b'{"TCPInfo":{}}', "stall"),
    "ping": (wire.header(wire.PING, 10), b"0123456789", "stall"),
    "close": (wire.header(wire.CLOSE, 14), wire.close_payload(1000, "Done sending"), "stall"),
}


@pytest.mark.long
@pytest.mark.parametrize("at_once, slowly, ending", SLOW_FRAMES.values(), ids=SLOW_FRAMES)
def test_H2_frames(at_once: bytes, slowly: bytes, ending: str):
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(1000)
        c.send(at_once)
        c.trickle(slowly, GAP_S)
        c.pause(30)

    server, outcome = pod.against(script, "--download")
    assert outcome.download["ending"] == ending, outcome
    limit_s = STALL_S if ending == "stall" else CAP_S
    assert limit_s <= outcome.seconds_since(server.only) < limit_s + LATE_S, outcome
    assert outcome.warned("nothing came" if ending == "stall" else "did not end"), outcome


@pytest.mark.long
def test_H2_upload():
    """A server that reads a byte at a time: the upload ends on our own clock."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.sock.settimeout(30)
        while c.sock.recv(1):
            c.pause(0.5)

    server, outcome = pod.against(script, "--upload", receive_buffer_bytes=4096)
    assert outcome.seconds_since(server.only) < CAP_S + LATE_S, outcome
    outcome.check_figures()


@pytest.mark.long
@pytest.mark.parametrize("part", ["head", "body", "silence"])
def test_H2_locate(part: str):
    def script(c: Connection) -> None:
        c.read_request()
        answer = fakes.listing()
        if part == "body":
            head, _, answer = answer.partition(b"\r\n\r\n")
            c.send(head + b"\r\n\r\n")
        if part != "silence":
            c.trickle(answer, GAP_S)
        c.pause(30)

    with Server(script) as service:
        outcome = pod.test("--locate-url", fakes.locate_url(service), "--download")
    check_refused(outcome, outcome.seconds_since(service.only), LOCATE_S, "locate|server")
    assert re.search("10 s|timed out|time", outcome.stderr, re.IGNORECASE), outcome


# --- H3 --------------------------------------------------------------------------------------


def check_memory(outcome: pod.Outcome) -> None:
    assert pod.sanitized() or outcome.peak_bytes < MEMORY_MAX, f"{outcome.peak_bytes >> 20} MiB\n{outcome}"


def until_gone(c: Connection, data: bytes) -> None:
    while True:
        c.send(data)


def fragments(opcode: int) -> bytes:
    """20 MiB that no frame ends."""
    more = wire.frame(wire.CONTINUATION, b"x" * (1 << 20), fin=False)
    return wire.frame(opcode, b"x", fin=False) + more * 20


# name: (data, whether it is refused)
ENDLESS = {
    "frame": (wire.header(wire.BINARY, (1 << 63) - 1) + bytes(1 << 20), True),
    "message": (fragments(wire.BINARY), True),
    "text": (wire.header(wire.TEXT, (1 << 24) + 1) + bytes(1 << 20), True),
    "text in fragments": (fragments(wire.TEXT), True),
    "JSON depth": (wire.frame(wire.TEXT, b"[" * (1 << 24)), False),
    "JSON depth, objects": (wire.frame(wire.TEXT, b'{"a":' * (1 << 20)), False),
    "JSON members": (wire.frame(wire.TEXT, b'{"TCPInfo":{' + b'"RTT":1,' * 10_000 + b'"RTT":2}}'), False),
}


@pytest.mark.parametrize("data, refused", ENDLESS.values(), ids=ENDLESS)
def test_H3_frames(data: bytes, refused: bool):
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(1000)
        c.send(data)
        if not refused:
            c.close()
        c.wait(wire.CLOSE)
        c.end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == (3 if refused else 0), outcome
    assert outcome.download["ending"] == ("violation" if refused else "close"), outcome
    check_memory(outcome)


def test_H3_texts_without_end():
    """A million measurements in place of a few: counted, and ended by the cap on bytes."""
    text = wire.frame(wire.TEXT, wire.as_text(fakes.tcp_info(ElapsedTime=1, RTT=5)))

    def script(c: Connection) -> None:
        c.upgrade()
        until_gone(c, text * 1000)

    server, outcome = pod.against(script, "--download", "--max-bytes", "20MB", how={"format": "jsonl"})
    assert outcome.status == 0, outcome
    assert len(outcome.events) < 2000
    check_memory(outcome)


def test_H3_pings_without_end():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(1000)
        for _ in range(200):
            c.send(wire.frame(wire.PING, bytes(125)) * 1000)
            c.watch(0)
        c.close()
        c.wait(wire.CLOSE, within=10)
        c.end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    check_memory(outcome)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_H3_head_without_end(secure: bool):
    def script(c: Connection) -> None:
        c.read_request()
        c.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        until_gone(c, b"X-Filler: and so on\r\n" * 1000)

    server, outcome = pod.against(script, "--download", tls=certificates.server_context() if secure else None)
    assert outcome.status == 1 and outcome.seconds_since(server.only) < LATE_S, outcome
    check_memory(outcome)


BOMB = gzip.compress(bytes(200 << 20))

BODIES = {
    "body without end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "chunks without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    ),
    "a length of 9 exabytes": (b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", b"x" * 65536),
    "fields without end": (b"HTTP/1.1 200 OK\r\n", b"X-Filler: and so on\r\n" * 1000),
    "a field without end": (b"HTTP/1.1 200 OK\r\nX-Filler: ", b"x" * 65536),
    "gzip bomb": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + BOMB, b""),
}


@pytest.mark.parametrize("head, more", BODIES.values(), ids=BODIES)
def test_H3_locate(head: bytes, more: bytes):
    def script(c: Connection) -> None:
        c.read_request()
        c.send(head)
        if more:
            until_gone(c, more)

    with Server(script) as service:
        outcome = pod.test("--locate-url", fakes.locate_url(service), "--download")
    assert outcome.status == 1, outcome
    assert outcome.seconds_since(service.connections[0]) < LOCATE_S + LATE_S
    assert str(service.port) in outcome.stderr
    check_memory(outcome)
