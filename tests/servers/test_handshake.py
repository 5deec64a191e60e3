"""What the client asks for, and which answers it takes: N1 to N13 and N47 of the ndt7 contract."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest

import fakes
import pod
import wire
from scripted import Connection, Server, by_test, refuse

pytestmark = pytest.mark.at_once

METADATA = ["client_arch", "client_library_name", "client_library_version", "client_name", "client_os",
            "client_version"]  # fmt: skip
CONNECT_LIMIT_S = 10.5  # N12; ours is 7 s


def requests() -> list[wire.Request]:
    server, outcome = pod.against(fakes.both)
    assert outcome.status == 0, outcome
    return [c.request for c in server.connections]


def test_N1_N2_N4_N7_what_is_asked_for():
    download, upload = requests()
    for request, path in ((download, "/ndt/v7/download"), (upload, "/ndt/v7/upload")):
        assert (request.method, request.path, request.version) == ("GET", path, "HTTP/1.1")
        assert request.get("Upgrade").lower() == "websocket"
        assert "upgrade" in [t.strip().lower() for t in request.get("Connection").split(",")]
        assert request.all("Sec-WebSocket-Version") == ["13"]
        assert len(base64.b64decode(request.get("Sec-WebSocket-Key"), validate=True)) == 16
        assert request.all("Sec-WebSocket-Protocol") == [wire.PROTOCOL]
        assert re.match(r"radar-pod/\d", request.get("User-Agent"))
        assert not request.all("Sec-WebSocket-Extensions")


def test_N3_each_connection_has_its_own_key():
    first, second = (r.get("Sec-WebSocket-Key") for r in requests())
    assert first != second


def test_N5_metadata():
    for request in requests():
        names = [name for name, _ in request.query]
        assert sorted(names) == METADATA
        assert all(value for _, value in request.query)
        assert len(request.target.split("?", 1)[1]) <= 4096
        assert re.fullmatch(r"[\x21-\x7e]+", request.target)


@pytest.mark.parametrize("name", ["a b", "a&b=c", "100%", "a+b", "größe", "日本", "#?/", '"quoted"'])
def test_N6_client_name(name: str):
    server, outcome = pod.against(fakes.download, "--download", "--client-name", name)
    assert outcome.status == 0, outcome
    assert dict(server.only.request.query)["client_name"] == name


QUERIES = {
    "N6 escapes stay as they were": ("a=%20%26%25%C3%BC&b=1%2B1", "a=%20%26%25%C3%BC&b=1%2B1"),
    "N47 token": (f"access_token={fakes.TOKEN}&index=0", f"access_token={fakes.TOKEN}&index=0"),
    "our metadata replaces its namesakes": ("client_name=theirs&x=1", "x=1"),
}


@pytest.mark.parametrize("given, kept", QUERIES.values(), ids=QUERIES)
def test_query_of_the_url(given: str, kept: str):
    server, outcome = pod.against(fakes.both, path=f"/ndt/v7/download?{given}")
    assert outcome.status == 0, outcome
    for connection in server.connections:
        query = connection.request.target.split("?", 1)[1].split("&")
        assert set(kept.split("&")) <= set(query)
        assert sorted(q.split("=")[0] for q in query if q.startswith("client_")) == METADATA
        assert "client_name=theirs" not in query


@pytest.mark.parametrize(
    "host, path, want_host, want_path",
    [
        pytest.param("::1", "", "[::1]:{port}", "/ndt/v7/download", id="IPv6 literal"),
        pytest.param("127.0.0.1", "", "127.0.0.1:{port}", "/ndt/v7/download", id="IPv4 and port"),
        pytest.param("127.0.0.1", "/a/b", "127.0.0.1:{port}", "/a/b/ndt/v7/download", id="prefix"),
    ],
)
def test_N47_host_and_path(host: str, path: str, want_host: str, want_path: str):
    server, outcome = pod.against(fakes.download, "--download", path=path, host=host)
    assert outcome.status == 0, outcome
    assert server.only.request.get("Host") == want_host.format(port=server.port)
    assert server.only.request.path == want_path


# --- answers that are taken ------------------------------------------------------------------

FRAMES = wire.frame(wire.BINARY, bytes(1000)) + wire.frame(wire.BINARY, bytes(3000))


def in_one_segment(c: Connection) -> None:
    c.upgrade(behind=FRAMES)


def byte_by_byte(c: Connection) -> None:
    c.trickle(wire.switching(c.read_request().get("Sec-WebSocket-Key")) + FRAMES[:20])
    c.send(FRAMES[20:])


def other_spelling(c: Connection) -> None:
    accept = wire.accept_of(c.read_request().get("Sec-WebSocket-Key"))
    c.send(
        b"HTTP/1.1 101 Oh Well\r\nDate: today\r\nupgrade:WebSocket\r\nX-Empty:\r\n"
        b"connection: keep-alive , UPGRADE\r\nSEC-WEBSOCKET-ACCEPT:\t" + accept.encode() + b" \r\n"
        b"sec-websocket-protocol: net.measurementlab.ndt.v7\r\n\r\n" + FRAMES
    )


def no_protocol(c: Connection) -> None:
    c.upgrade(protocol=None, behind=FRAMES)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(in_one_segment, id="N11 first frames in the segment of the 101"),
        pytest.param(byte_by_byte, id="N11 byte by byte"),
        pytest.param(other_spelling, id="N9 other case, order, fields and reason"),
        pytest.param(no_protocol, id="no subprotocol"),
    ],
)
def test_taken(answer: Callable[[Connection], None]):
    def script(c: Connection) -> None:
        answer(c)
        c.close_and_end()

    _, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    assert outcome.download["bytes"] == 4000


# --- answers that are refused ----------------------------------------------------------------


def answer_with(head: str) -> Callable[[Connection], None]:
    """A head in which ACCEPT stands for the right one."""

    def script(c: Connection) -> None:
        accept = wire.accept_of(c.read_request().get("Sec-WebSocket-Key"))
        c.send(head.replace("ACCEPT", accept).replace("\n", "\r\n").encode())
        c.until_end()

    return script


def silence(c: Connection) -> None:
    c.read_request()
    c.pause(30)


def a_byte_a_second(c: Connection) -> None:
    c.trickle(wire.switching(c.read_request().get("Sec-WebSocket-Key")), gap_s=1)


def endless_head(c: Connection) -> None:
    c.read_request()
    c.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        c.send(b"X-Filler: and so on\r\n" * 100)


GOOD = "HTTP/1.1 101 X\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: ACCEPT\n"
PROTOCOL = f"Sec-WebSocket-Protocol: {wire.PROTOCOL}\n"
HTML = "<!doctype html><title>Log in to the hotel's network</title>"

# name: (script, what the message says)
REFUSED = {
    "N8 wrong Accept": (answer_with(GOOD.replace("ACCEPT", "A" * 27 + "=") + PROTOCOL + "\n"), "accept"),
    "N8 no Accept": (answer_with(GOOD.replace("Sec-WebSocket-Accept: ACCEPT\n", "") + PROTOCOL + "\n"), "accept"),
    "N10 another subprotocol": (answer_with(GOOD + "Sec-WebSocket-Protocol: chat\n\n"), "protocol"),
    "N10 subprotocol in capitals": (answer_with(GOOD + PROTOCOL.upper() + "\n"), "protocol"),
    "N7 extension not asked for": (
        answer_with(GOOD + PROTOCOL + "Sec-WebSocket-Extensions: permessage-deflate\n\n"), "extension"),
    "no Upgrade field": (answer_with(GOOD.replace("Upgrade: websocket\n", "") + PROTOCOL + "\n"), "upgrade"),
    "no Connection field": (answer_with(GOOD.replace("Connection: Upgrade\n", "") + PROTOCOL + "\n"), "connection"),
    "N12 200 HTML": (refuse(200, HTML, "Content-Type: text/html"), "200"),
    "N12 301": (refuse(301, b"", "Location: http://127.0.0.1:1/"), "301"),
    "N12 400": (refuse(400), "400"),
    "N12 401": (refuse(401), "401"),
    "N12 403": (refuse(403), "403"),
    "N12 404": (refuse(404, HTML), "404"),
    "N12 429": (refuse(429), "429"),
    "N12 500": (refuse(500), "500"),
    "N12 503": (refuse(503), "503"),
    "N12 garbage": (answer_with("\x00\x01\x02 this is no HTTP\n\n"), "HTTP"),
    "N12 SSH": (answer_with("SSH-2.0-OpenSSH_9.2p1 Debian-2\n"), "HTTP"),
    "N12 end at once": (lambda c: c.read_request(), "closed|ended"),
    "N12 reset at once": (lambda c: (c.read_request(), c.reset()), "reset"),
    "N12 silence": (silence, "within 7 s"),
    "a byte a second": (a_byte_a_second, "within 7 s"),
    "H3 head without end": (endless_head, "more than|over"),
}  # fmt: skip


@pytest.mark.parametrize("script, words", REFUSED.values(), ids=REFUSED)
def test_refused(script: Callable[[Connection], None], words: str):
    server, outcome = pod.against(script, "--download")
    assert outcome.status == 1, outcome
    assert outcome.result["download"] is None and outcome.result["errors"], outcome
    assert re.search(words, outcome.stderr, re.IGNORECASE), outcome
    assert f"127.0.0.1:{server.port}" in outcome.stderr and "hint:" in outcome.stderr, outcome
    assert outcome.seconds_since(server.only) < CONNECT_LIMIT_S
    assert not server.only.frames, "it sent frames to a server that refused"


@pytest.mark.parametrize("script, words", REFUSED.values(), ids=REFUSED)
def test_after_a_refusal_the_next_target(script: Callable[[Connection], None], words: str):
    with Server(script) as bad, Server(fakes.download) as good:
        listing = fakes.listing(fakes.target(bad), fakes.target(good))
        with Server(fakes.locate(listing)) as service:
            outcome = pod.test("--locate-url", fakes.locate_url(service), "--scheme", "ws", "--download")
    assert outcome.status == 0, outcome
    assert (len(service.connections), len(bad.connections), len(good.connections)) == (1, 1, 1)
    assert re.search(words, str(outcome.result["attempts"][0]), re.IGNORECASE), outcome
    assert len(outcome.result["attempts"]) == 2


def test_each_refusal_has_a_message_of_its_own():
    """N12: that of a status names it; those of broken answers differ."""
    said = set()
    for name in ("N8 wrong Accept", "N10 another subprotocol", "N12 404", "N12 503", "N12 garbage", "N12 end at once"):
        _, outcome = pod.against(REFUSED[name][0], "--download")
        said.add(re.sub(r"127\.0\.0\.1:\d+", "", outcome.stderr))
    assert len(said) == 6, said


def test_N13_what_the_client_sends_is_masked():
    def upload(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = fakes.UPLOAD_RATE_BYTES_S
        c.ping(b"1")
        c.watch(0.3)
        fakes.upload_end(c)

    server, outcome = pod.against(by_test(fakes.download, upload))
    assert outcome.status in (0, 3), outcome
    frames = [f for c in server.connections for f in c.frames]
    assert len(frames) > 20
    assert all(f.mask is not None and f.rsv == 0 for f in frames)
    masks = [f.mask for f in frames]
    assert len(set(masks)) > 0.9 * len(masks), "masks come again"
