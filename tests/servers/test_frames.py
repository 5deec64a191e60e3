"""N14 and H1: each sequence of frames.py sent to our client, whole and byte by byte."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

import pod
import wire
from frames import CASES, Case
from scripted import Connection, Gone

pytestmark = [pytest.mark.at_once, pytest.mark.frames]

FIRST_BYTES = 100  # counted before the sequence, so that there is a result in any case
BYTEWISE_MAX = 2000  # longer ones are bulk: byte by byte where headers are, then the rest
NO_BPF = ("--stats", "tcp_info")  # its programs take the kernel 0.1 s to load, a thousand times


def whole(c: Connection, data: bytes) -> None:
    c.send(data)


def byte_by_byte(c: Connection, data: bytes) -> None:
    c.trickle(data[:BYTEWISE_MAX])
    c.send(data[BYTEWISE_MAX:])


def test_there_are_enough():
    assert len(CASES) >= 200


@pytest.mark.parametrize("how", [whole, byte_by_byte])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_N14_H1(case: Case, how: Callable[[Connection, bytes], None]):
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(FIRST_BYTES)
        with contextlib.suppress(Gone):  # it may be refused before its last byte
            how(c, case.data)
        if case.refused is None and case.close is None:
            c.close(1000)
        c.wait(wire.CLOSE, within=pod.LATE_S)
        c.end()

    server, outcome = pod.against(script, "--download", *NO_BPF)
    close = server.only.of(wire.CLOSE)[0].code
    if case.refused is not None:
        assert outcome.status == 3 and outcome.download["ending"] == "violation", outcome
        assert close == case.refused, outcome
        assert outcome.warned("broke the protocol"), outcome
    else:
        assert outcome.status == 0 and outcome.download["ending"] == "close", outcome
        sent = case.close or 1000
        assert close in ({None, 1000} if sent == 1005 else {sent, 1000}), outcome
        assert outcome.download["bytes"] == FIRST_BYTES + case.payload_bytes
        assert tuple(f.payload for f in server.only.of(wire.PONG)) == case.pongs
        assert not case.broken_text or outcome.warned("1 message .* could not be read as a measurement"), outcome  # N25


def test_N14_nothing_came_before():
    """Then there is nothing to report but the reason."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.frame(wire.BINARY, b"", rsv=4)
        c.wait(wire.CLOSE)
        c.end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 1 and outcome.result["download"] is None, outcome
    assert "broke the protocol" in outcome.stderr, outcome
    assert server.only.of(wire.CLOSE)[0].code == 1002


@pytest.mark.parametrize(
    "name",
    [
        "rsv 100 in binary",
        "close 999",
        "close with the reason ff",
        "opcode 3, whole",
        "ping of 126 bytes",
        "binary masked with 00000000",
    ],
)
def test_N14_in_an_upload(name: str):
    """The client's Close comes between its own messages."""
    case = CASES[name]

    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = 50e6
        c.watch(0.2)
        c.send(case.data)
        c.rate_bytes_s = None
        c.wait(wire.CLOSE, within=pod.LATE_S)
        c.end()

    server, outcome = pod.against(script, "--upload")
    assert server.only.of(wire.CLOSE)[0].code == case.refused, outcome
    assert outcome.status == 3 and outcome.upload["ending"] == "violation", outcome
