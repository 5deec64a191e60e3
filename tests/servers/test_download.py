"""What the server does in a download and what the result says of it: N15 to N29, N40 to N43, N49."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import fakes
import pod
import wire
from scripted import Connection

pytestmark = pytest.mark.at_once


def download(*does: Callable[[Connection], Any], status: int = 0) -> tuple[Connection, pod.Outcome]:
    """One download in which the server does this after the upgrade, and then ends it in good order."""

    def script(c: Connection) -> None:
        c.upgrade()
        for do in does:
            do(c)
        c.close_and_end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == status, outcome
    return server.only, outcome


# --- ping and pong ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 20, 125])
def test_N15_pong_when_idle(size: int):
    payload = bytes(range(size))

    def ping(c: Connection) -> None:
        c.binary(1024)
        c.ping(payload)
        c.wait(wire.PONG)

    connection, _ = download(ping)
    assert [f.payload for f in connection.of(wire.PONG)] == [payload]


def test_N15_pong_under_load():
    def ping(c: Connection) -> None:
        c.binary(1 << 20, times=20)
        c.ping(b"123456789")
        c.binary(1 << 20, times=20)
        c.wait(wire.PONG)

    connection, outcome = download(ping)
    assert [f.payload for f in connection.of(wire.PONG)] == [b"123456789"]
    assert outcome.download["bytes"] == 40 << 20


def test_pongs_of_a_flood_are_of_its_pings():
    """Some may be dropped, none altered, and what was dropped is told."""

    def flood(c: Connection) -> None:
        c.binary(1024)
        c.send(b"".join(wire.frame(wire.PING, b"%d" % i) for i in range(5000)))
        c.wait(wire.PONG)
        c.watch(0.3)

    connection, outcome = download(flood)
    pongs = [int(f.payload) for f in connection.of(wire.PONG)]
    assert pongs and pongs == sorted(set(pongs)) and set(pongs) <= set(range(5000))
    assert len(pongs) == 5000 or outcome.warned("ping")


def test_N17_ping_between_fragments():
    def fragments(c: Connection) -> None:
        c.frame(wire.BINARY, bytes(1000), fin=False)
        c.ping(b"between")
        c.wait(wire.PONG)
        c.frame(wire.CONTINUATION, bytes(500))

    connection, outcome = download(fragments)
    assert connection.of(wire.PONG)[0].payload == b"between"
    assert outcome.download["bytes"] == 1500


def test_N18_N23_nothing_is_sent_unasked():
    """No pong without a ping, no binary in a download: a Close is all."""
    connection, _ = download(lambda c: c.binary(8192, times=4), lambda c: c.watch(1))
    assert [f.opcode for f in connection.frames] == [wire.CLOSE]


# --- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 1023, 1024, 1 << 20, (1 << 20) + 1, 1 << 24])
def test_N19_binary_sizes(size: int):
    _, outcome = download(lambda c: c.binary(size))
    assert outcome.download["bytes"] == size


def test_empty_frames_and_messages():
    _, outcome = download(lambda c: c.binary(0, times=100), lambda c: c.binary(1))
    assert outcome.download["bytes"] == 1


@pytest.mark.parametrize("fragment", [(1 << 24) + 1, 1 << 20])
def test_N20_a_message_too_big(fragment: int):
    """Refused with 1009 by its header, or where its fragments pass the limit."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(5000)
        left = (1 << 24) + 1
        first = True
        while left:
            size = min(fragment, left)
            left -= size
            c.frame(wire.BINARY if first else wire.CONTINUATION, bytes(size), fin=not left)
            first = False
        c.wait(wire.CLOSE)

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 3, outcome
    codes = [f.code for f in server.only.of(wire.CLOSE)]
    assert codes in ([1009], []), "only the reset of what was not read may have overtaken it"
    assert outcome.download["ending"] == "violation" and not outcome.download["complete"]
    assert 5000 <= outcome.download["bytes"] <= 5000 + (1 << 24)
    assert pod.sanitized() or outcome.peak_bytes < 12 << 20


def test_N21_empty_last_fragment():
    def fragments(c: Connection) -> None:
        c.frame(wire.BINARY, bytes(70000), fin=False)
        c.frame(wire.CONTINUATION, b"", fin=False)
        c.frame(wire.CONTINUATION, bytes(30000), fin=False)
        c.frame(wire.CONTINUATION, b"")

    _, outcome = download(fragments)
    assert outcome.download["bytes"] == 100000


def test_N22_binary_and_text_are_counted_and_nothing_else():
    text = wire.as_text(fakes.tcp_info(ElapsedTime=1000, BytesAcked=1))

    def mixed(c: Connection) -> None:
        for size in (8192, 125, 126, 65535, 65536):
            c.binary(size)
            c.text(text)
            c.ping(b"not counted")

    _, outcome = download(mixed)
    assert outcome.download["bytes"] == 8192 + 125 + 126 + 65535 + 65536 + 5 * len(text)
    assert outcome.download["client"]["bytes"] == outcome.download["bytes"]


# --- texts -----------------------------------------------------------------------------------

DEEP = "[" * 60_000 + "]" * 60_000

GOOD_TEXTS = {
    "unknown keys": {"New": {"A": [1, 2]}, "TCPInfo": {"Novelty": "x", "RTT": 5, "ElapsedTime": 9}},
    "null": {"TCPInfo": None, "AppInfo": None, "ConnectionInfo": None, "BBRInfo": None},
    "null members": {"TCPInfo": {"RTT": None}, "ConnectionInfo": {"UUID": None}},
    "no TCPInfo": {"ConnectionInfo": {"Client": "127.0.0.1:1"}},
    "empty object": {},
    "newline behind": "{}\n",
    "AppInfo of a server": {"AppInfo": {"NumBytes": 3, "ElapsedTime": 5}},
    "100 kB": {"Filler": "x" * 100_000},
    "huge number": '{"TCPInfo":{"RTT":1e999}}',
    "order and space": ' \t{ "TCPInfo" : { "RTT" : 5 } } \n',
}

BAD_TEXTS = {
    "empty": "",
    "invalid UTF-8": b'{"TCPInfo":{"RTT":5},"X":"\xc3\x28"}',
    "invalid UTF-8, cut": b'{"TCPInfo":{"RTT":5}}\xe2\x82',
    "no JSON": "hello",
    "cut": '{"TCPInfo":{"RTT":',
    "array": "[]",
    "number": "17",
    "string": '"x"',
    "deep": DEEP,
    "deep object": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "two objects": "{}{}",
    "BOM": "\ufeff{}",
    "NUL": '{}\0{"TCPInfo":{}}',
}


def among_data(text: Any) -> tuple[Connection, pod.Outcome]:
    """That text between two binary messages."""
    return download(lambda c: c.binary(1000), lambda c: c.text(text), lambda c: c.binary(1000))


@pytest.mark.parametrize("text", GOOD_TEXTS.values(), ids=GOOD_TEXTS)
def test_N24_texts_that_are_used(text: Any):
    _, outcome = among_data(text)
    assert outcome.download["bytes"] == 2000 + len(wire.as_text(text))
    assert not outcome.warned("measurement"), outcome
    outcome.check_figures()


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_N25_texts_that_are_ignored(text: str | bytes):
    _, outcome = among_data(text)
    assert outcome.download["bytes"] == 2000 + len(wire.as_text(text))
    assert outcome.warned("1 message of the server could not be read as a measurement"), outcome
    outcome.check_figures()


@pytest.mark.parametrize("size", [128 * 1024, 128 * 1024 + 1, 1 << 24])
def test_N25_huge_text(size: int):
    """Counted, never held whole."""
    _, outcome = among_data('{"Filler":"' + "x" * (size - 13) + '"}')
    assert outcome.download["bytes"] == 2000 + size
    assert pod.sanitized() or outcome.peak_bytes < 12 << 20


def test_texts_only():
    _, outcome = download(lambda c: c.text({"TCPInfo": {"ElapsedTime": 5, "BytesAcked": 7}}))
    assert outcome.download["bytes"] > 0


# --- figures ---------------------------------------------------------------------------------


def with_tcp_info(*infos: dict[str, Any]) -> pod.Outcome:
    return download(lambda c: c.binary(1000), lambda c: [c.text({"TCPInfo": i}) for i in infos])[1]


def test_N40_latency():
    outcome = with_tcp_info({"ElapsedTime": 100, "MinRTT": 20000}, {"ElapsedTime": 200, "MinRTT": 12345})
    assert outcome.download["min_rtt_ms"] == 12.345


@pytest.mark.parametrize(
    "sent, retransmitted, percent", [(1000, 10, 1.0), (1000, 0, 0.0), (0, 0, None), (-1, 5, None), (10, -1, None)]
)
def test_N41_retransmission(sent: int, retransmitted: int, percent: float | None):
    outcome = with_tcp_info({"ElapsedTime": 100, "BytesSent": sent, "BytesRetrans": retransmitted})
    assert outcome.download["retransmit_percent"] == percent
    outcome.check_figures()


@pytest.mark.parametrize("count", [(1 << 32) + 1, (1 << 53) + 1, (1 << 63) - 1])
def test_N42_counters_are_exact(count: int):
    outcome = with_tcp_info({"ElapsedTime": 1_000_000, "BytesAcked": count})
    assert outcome.download["server"]["bytes"] == count


ODD_FIGURES: dict[str, list[dict[str, Any]]] = {
    "elapsed 0": [{"ElapsedTime": 0, "BytesAcked": 10}],
    "elapsed negative": [{"ElapsedTime": -5, "BytesAcked": 10}],
    "no elapsed": [{"BytesAcked": 10}],
    "bytes negative": [{"ElapsedTime": 5, "BytesAcked": -10, "BytesSent": -1, "BytesRetrans": -1}],
    "everything negative": [{n: -1 for n in ("RTT", "MinRTT", "RTTVar", "BytesAcked", "BytesSent", "ElapsedTime")}],
    "decreasing": [{"ElapsedTime": 100, "BytesAcked": 100}, {"ElapsedTime": 50, "BytesAcked": 10}],
    "all the largest": [{n: (1 << 63) - 1 for n in ("RTT", "MinRTT", "BytesAcked", "BytesSent", "ElapsedTime")}],
    "beyond 64 bits": [{"ElapsedTime": 1 << 64, "BytesAcked": 1 << 70, "RTT": -(1 << 70)}],
    "strings": [{"ElapsedTime": "100", "BytesAcked": "x", "RTT": "1"}],
    "floats": [{"ElapsedTime": 100.5, "BytesAcked": 1e6, "RTT": 0.001}],
    "objects": [{"ElapsedTime": {}, "BytesAcked": [], "RTT": True}],
    "named twice": [],
}


@pytest.mark.parametrize("infos", ODD_FIGURES.values(), ids=ODD_FIGURES)
def test_N43_odd_figures(infos: list[dict[str, Any]]):
    texts: list[Any] = [{"TCPInfo": i} for i in infos] or ['{"TCPInfo":{"RTT":1,"RTT":2},"TCPInfo":7}']
    _, outcome = download(lambda c: c.binary(1000), lambda c: [c.text(t) for t in texts])
    outcome.check_figures()
    assert outcome.download["bytes"] == 1000 + sum(len(wire.as_text(t)) for t in texts)


# --- ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, reply", [(1000, 1000), (1001, 1001), (3000, 3000), (None, None)])
def test_the_close_is_answered_with_its_code(code: int | None, reply: int | None):
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(8192)
        c.close(code)
        c.wait(wire.CLOSE)
        c.end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    assert [f.code for f in server.only.of(wire.CLOSE)] in ([reply], [1000])
    assert outcome.download["ending"] == "close" and outcome.download["complete"]


def test_after_its_close_the_client_waits_for_the_servers_end():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(8192)
        c.close()
        c.wait(wire.CLOSE)
        c.watch(0.5)
        assert not c.ended, "it closed before the server"
        c.end()

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome


@pytest.mark.parametrize("seconds", [pytest.param(2, id="N28"), pytest.param(0.2, id="N49")])
def test_an_early_close(seconds: float):
    stream = fakes.Stream(seconds, Connection.close_and_end)
    _, outcome = pod.against(stream, "--download")
    assert outcome.status == 0 and outcome.download["complete"], outcome
    stream.check(outcome)
    mbps = 8 * stream.payload_bytes / outcome.download["elapsed_s"] / 1e6
    assert outcome.download["goodput_mbps"] == pytest.approx(mbps, 0.01)
    outcome.check_figures()


def test_N49_one_sample_at_least():
    stream = fakes.Stream(0.2, Connection.close_and_end)
    _, outcome = pod.against(stream, "--download", how={"format": "jsonl"})
    samples = [e for e in outcome.events if e.get("Key") == "measurement" and e["Value"]["Origin"] == "client"]
    assert samples and samples[-1]["Value"]["AppInfo"]["NumBytes"] > 0, outcome


ABRUPT = {
    "end": (Connection.end, "eof", r"without a Close"),
    "reset": (Connection.reset, "error", r"reset"),
}


@pytest.mark.parametrize("end, ending, words", ABRUPT.values(), ids=ABRUPT)
def test_N29_without_close(end: Callable[[Connection], None], ending: str, words: str):
    stream = fakes.Stream(3, end)
    _, outcome = pod.against(stream, "--download")
    assert outcome.status == 3, outcome
    assert outcome.download["ending"] == ending and not outcome.download["complete"]
    stream.check(outcome)
    assert outcome.warned(words), outcome


@pytest.mark.parametrize("end, ending, words", ABRUPT.values(), ids=ABRUPT)
def test_an_end_before_any_data(end: Callable[[Connection], None], ending: str, words: str):
    def script(c: Connection) -> None:
        c.upgrade()
        c.pause(0.1)
        end(c)

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 1 and outcome.result["download"] is None, outcome
    assert re.search("no test data|before any", outcome.stderr), outcome


def test_an_end_in_the_middle_of_a_message():
    """What came counts, to the byte."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.send(wire.header(wire.BINARY, 1 << 20) + bytes(12345))
        c.pause(0.2)
        c.end()

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 3 and outcome.download["bytes"] == 12345, outcome


def test_one_byte_at_a_time():
    """A server that sends one byte a second is a slow network, not a broken one."""

    def drip(c: Connection) -> None:
        c.binary(100)
        c.trickle(wire.frame(wire.BINARY, b"slow"), gap_s=0.5)

    _, outcome = download(drip)
    assert outcome.download["bytes"] == 104


def test_frames_behind_the_close_are_dropped():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(1000)
        c.close()
        c.binary(1000)
        c.wait(wire.CLOSE)
        c.end()

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 0 and outcome.download["bytes"] == 1000, outcome


def test_our_own_ceiling():
    def script(c: Connection) -> None:
        c.upgrade()
        while True:
            c.binary(1 << 16)

    _, outcome = pod.against(script, "--download", "--max-bytes", "5MB")
    assert outcome.status == 0, outcome
    assert outcome.download["ending"] == "max_bytes"
    assert 5_000_000 <= outcome.download["bytes"] < 50_000_000


def test_a_ping_behind_our_own_end_is_no_flood():
    def script(c: Connection) -> None:
        c.upgrade()
        c.send(wire.frame(wire.BINARY, bytes(2_000_000)) + wire.frame(wire.PING, b"1"))
        c.close_and_end()

    _, outcome = pod.against(script, "--download", "--max-bytes", "1MB")
    assert outcome.status == 0 and not outcome.result["warnings"], outcome


def test_a_figure_of_the_first_moments_says_so():
    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(100_000)
        c.pause(0.5)
        c.reset()

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 3 and not outcome.download["complete"], outcome
    assert outcome.warned("download: goodput is of its first 0[.].* s: nothing came after that")
