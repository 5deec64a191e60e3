"""What the client sends and whose count it believes: N16, N26 and N34 to N39 of the ndt7 contract."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest

import fakes
import pod
import wire
from scripted import Connection

pytestmark = [pytest.mark.at_once, pytest.mark.moves]

LAST = {"ElapsedTime": 1_234_567, "BytesReceived": 987_654, "MinRTT": 4321, "RTT": 5000}


def upload(*does: Callable[[Connection], Any], seconds: float = 0.2, status: int = 0) -> tuple[Connection, pod.Outcome]:
    """One upload that is read for some time, in which the server then does this and ends it."""

    def script(c: Connection) -> None:
        fakes.upload_begin(c, seconds, LAST["BytesReceived"])
        for do in does:
            do(c)
        fakes.upload_end(c)

    server, outcome = pod.against(script, "--upload")
    assert outcome.status == status, outcome
    return server.only, outcome


def say(text: Any) -> Callable[[Connection], None]:
    return lambda c: c.text(text)


def test_N34_message_sizes():
    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = 200e6
        while c.payload_bytes() < 14 << 20:
            c.watch(0.05)
        c.text({"TCPInfo": LAST})
        fakes.upload_end(c)

    server, outcome = pod.against(script, "--upload")
    assert outcome.status == 0, outcome
    data = [f for f in server.only.frames if f.opcode in (wire.BINARY, wire.CONTINUATION)]
    assert all(f.fin and f.opcode == wire.BINARY for f in data), "each message is one frame"
    sizes = [f.size for f in data]
    scaling = [8192] * 16 + [s for n in range(14, 20) for s in [1 << n] * 8]
    assert sizes[: len(scaling)] == scaling
    assert set(sizes[len(scaling) :]) == {1 << 20}


def test_N35_content():
    def script(c: Connection) -> None:
        c.upgrade()
        c.keep_binary_bytes = 1 << 20
        c.rate_bytes_s = fakes.UPLOAD_RATE_BYTES_S
        c.watch(0.2)
        c.text({"TCPInfo": LAST})
        fakes.upload_end(c)

    server, _ = pod.against(script, "--upload")
    for content in (f.payload for f in server.only.of(wire.BINARY)[:40]):
        assert len(zlib.compress(content)) > 0.95 * len(content)


def test_N36_the_servers_count():
    _, outcome = upload(
        say({"TCPInfo": {"ElapsedTime": 100_000, "BytesReceived": 100_000}}), lambda c: c.watch(0.1),
        say({"TCPInfo": LAST}),
    )  # fmt: skip
    assert outcome.upload["goodput_mbps"] == pytest.approx(8 * 987_654 / 1_234_567, rel=1e-3)
    assert outcome.upload["goodput_source"] == "server tcp_info"
    assert outcome.upload["bytes"] == 987_654
    assert 0 < outcome.upload["min_rtt_ms"] < 4.321  # of who sends: our kernel's


def test_N36_the_servers_app_info():
    _, outcome = upload(say({"AppInfo": {"ElapsedTime": 1_000_000, "NumBytes": 1_250_000}}))
    assert outcome.upload["goodput_mbps"] == pytest.approx(10)
    assert outcome.upload["goodput_source"] == "server app_info"
    assert outcome.warned("goodput is from server app_info")


def test_N37_no_text_at_all():
    """Our own kernel's count, and it says so; what nobody measured is unknown, not 0."""
    connection, outcome = upload(seconds=1)
    assert outcome.upload["goodput_source"] == "client tcp_info"
    assert outcome.warned("goodput is from client tcp_info")
    assert outcome.upload["server"] is None
    assert outcome.upload["min_rtt_ms"] is None or outcome.upload["min_rtt_ms"] > 0
    assert outcome.upload["bytes"] == pytest.approx(connection.payload_bytes(), rel=0.5)


ODD_TEXTS: dict[str, Any] = {
    "N25 no JSON": "hello",
    "N25 array": "[]",
    "N25 empty": "",
    "N25 invalid UTF-8": b'{"TCPInfo":{"ElapsedTime":100000,"BytesReceived":5,"X":"\xff"}}',
    "N43 elapsed 0": {"TCPInfo": {"ElapsedTime": 0, "BytesReceived": 5}},
    "N43 negative": {"TCPInfo": {"ElapsedTime": -1, "BytesReceived": -1}},
    "N43 no bytes": {"TCPInfo": {"ElapsedTime": 1000}},
    "N43 strings": {"TCPInfo": {"ElapsedTime": "1000", "BytesReceived": "1000"}},
    "N43 beyond 64 bits": {"TCPInfo": {"ElapsedTime": 1 << 65, "BytesReceived": 1 << 65}},
}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_texts_leave_our_own_count(text: Any):
    _, outcome = upload(say(text))
    assert outcome.upload["goodput_source"].startswith("client"), outcome
    outcome.check_figures()


WILD_TEXTS: dict[str, Any] = {
    "more than was sent": {"ElapsedTime": 1, "BytesReceived": 1 << 62, "MinRTT": 1},
    "a little more than was sent": {"ElapsedTime": 200_000, "BytesReceived": 200_000_000},
    "a time to come": {"ElapsedTime": 10_000_000, "BytesReceived": 1000},
}


@pytest.mark.parametrize("text", WILD_TEXTS.values(), ids=WILD_TEXTS)
def test_N43_claims_that_cannot_be(text: Any):
    """Neither alone nor before a good one, which it must not keep from being used."""
    _, outcome = upload(say({"TCPInfo": text}))
    assert outcome.upload["goodput_source"] == "client tcp_info", outcome
    assert outcome.warned("1 message of the server told of more than was sent, or of a time to come")
    _, outcome = upload(say({"TCPInfo": text}), say({"TCPInfo": LAST}))
    assert outcome.upload["bytes"] == LAST["BytesReceived"]


def test_N43_a_min_rtt_longer_than_the_test():
    _, outcome = upload(say({"TCPInfo": LAST | {"MinRTT": (1 << 32) - 1, "RTT": (1 << 32) - 1}}))
    assert outcome.upload["min_rtt_ms"] < 1000


def test_an_upload_without_test_data():
    """Our own Close is acknowledged too, and is no test data."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.wait(wire.CLOSE)
        c.close_and_end()

    server, outcome = pod.against(script, "--upload", "--max-bytes", "1")
    assert outcome.status == 1, outcome
    assert not server.only.of(wire.BINARY)
    assert outcome.result["upload"] is None
    assert "no test data passed" in str(outcome.result["errors"])


def test_odd_texts_leave_the_last_good_one():
    _, outcome = upload(say({"TCPInfo": LAST}), *(say(text) for text in ODD_TEXTS.values()))
    assert outcome.upload["bytes"] == LAST["BytesReceived"]


def test_N16_pongs_among_the_data():
    payloads = [b"", b"1700000000000000000", bytes(range(125))]

    def ping(c: Connection) -> None:
        for payload in payloads:
            c.ping(payload)
            c.wait(wire.PONG)
        before = c.payload_bytes()
        c.watch(0.2)
        assert c.payload_bytes() > before, "the upload has stopped"

    connection, _ = upload(ping, say({"TCPInfo": LAST}))
    assert [f.payload for f in connection.of(wire.PONG)] == payloads


def test_N18_no_pong_unasked():
    connection, _ = upload(say({"TCPInfo": LAST}))
    assert not connection.of(wire.PONG)


def test_N26_binary_of_the_server():
    def data(c: Connection) -> None:
        c.binary(1000, times=3)
        before = c.payload_bytes()
        c.watch(0.3)
        assert c.payload_bytes() > before, "the upload has stopped"

    _, outcome = upload(data, say({"TCPInfo": LAST}))
    assert outcome.upload["bytes"] == LAST["BytesReceived"]
    assert outcome.warned("3000 bytes")


def test_N39_what_the_client_says():
    connection, _ = upload(say({"TCPInfo": LAST}), seconds=1.5)
    texts = connection.of(wire.TEXT)
    assert len(texts) <= 20
    for text in texts:
        said = json.loads(text.payload)
        assert set(said) <= {"AppInfo", "TCPInfo"}
        assert all(type(v) is int for part in said.values() for v in part.values()), text.payload


def test_a_close_stops_the_upload():
    """Behind its answer to the Close the client sends nothing."""
    connection, _ = upload(say({"TCPInfo": LAST}))
    assert connection.frames[-1].opcode == wire.CLOSE
    assert connection.frames[-1].code == 1000
    assert len(connection.of(wire.CLOSE)) == 1


@pytest.mark.parametrize("how", ["end", "reset"])
def test_N29_without_close(how: str):
    def script(c: Connection) -> None:
        fakes.upload_begin(c, 1)
        c.text({"TCPInfo": LAST})
        c.watch(0.2)
        getattr(c, how)()

    _, outcome = pod.against(script, "--upload")
    assert outcome.status == 3, outcome
    assert outcome.upload["bytes"] == LAST["BytesReceived"]
    assert not outcome.upload["complete"]
    assert outcome.warned("broke|without a Close")


def test_a_server_that_shuts_its_side():
    """FIN from a server that reads on: the end, as it can say no more."""

    def script(c: Connection) -> None:
        fakes.upload_begin(c, 0.5)
        c.text({"TCPInfo": LAST})
        c.sock.shutdown(1)
        c.rate_bytes_s = None
        c.until_end(within=5)

    _, outcome = pod.against(script, "--upload")
    assert outcome.status == 3, outcome
    assert outcome.upload["bytes"] == LAST["BytesReceived"]


def test_what_is_read_is_what_is_sent():
    """The codec of the client against the codec of this suite, over some megabytes: no frame is lost."""
    connection, outcome = upload(say({"TCPInfo": LAST}), seconds=0.5)
    opcodes = {f.opcode for f in takewhile(lambda f: f.opcode != wire.CLOSE, connection.frames)}
    assert opcodes == {wire.BINARY}
    assert connection.payload_bytes() == outcome.upload["client"]["bytes"]


def test_our_own_ceiling_before_the_servers_next_word():
    """Its only text is of the first moments: our kernel knows the whole."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = fakes.UPLOAD_RATE_BYTES_S
        c.watch(0.05)
        c.text({"TCPInfo": {"ElapsedTime": 50_000, "BytesReceived": 1_000_000}})
        c.wait(wire.CLOSE, within=5)
        c.close_and_end()

    _, outcome = pod.against(script, "--upload", "--max-bytes", "20MB", receive_buffer_bytes=256 * 1024)
    assert outcome.status == 0, outcome
    assert outcome.upload["ending"] == "max_bytes" and outcome.upload["complete"]
    assert outcome.upload["goodput_source"] == "client tcp_info"
    assert outcome.upload["bytes"] == pytest.approx(20_000_000, rel=0.1)
    assert outcome.warned("no last count")
