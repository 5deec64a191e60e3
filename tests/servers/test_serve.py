"""Our server before clients of every kind: N51 to N57, N59 and N63 to N69 of the ndt7 contract."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import time
from typing import Any

import pytest

import pod
import scripted
import wire
from pod import LATE_S
from scripted import Connection, Gone

pytestmark = [pytest.mark.at_once, pytest.mark.moves]

PATHS = ["/ndt/v7/download", "/ndt/v7/upload"]
both_paths = pytest.mark.parametrize("path", PATHS)

# ndt7.md §6.5: what the protocol's text names.
NAMED = {"RTT", "RTTVar", "BytesAcked", "BytesReceived", "MinRTT", "BusyTime", "RWndLimited", "SndBufLimited",
         "BytesSent", "BytesRetrans", "ElapsedTime"}  # fmt: skip


def dial(scheme: str = "ws", receive_buffer_bytes: int | None = None) -> Connection:
    context = None
    if scheme == "wss":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return scripted.dial(pod.serve().addresses[scheme], context, receive_buffer_bytes)


def status_of(target: str, **fields: str | None) -> wire.Response:
    c = dial()
    response = scripted.ask(c, target, **fields)
    c.end()
    return response


def begin(test: str, scheme: str = "ws", query: str = "") -> Connection:
    """A connection on which that test has begun."""
    c = dial(scheme)
    response = scripted.ask(c, f"/ndt/v7/{test}{query}")
    assert response.status == 101, response
    return c


# --- the handshake ---------------------------------------------------------------------------


@both_paths
@pytest.mark.parametrize(
    "protocol", [None, "", f"{wire.PROTOCOL}, other", f"other, {wire.PROTOCOL}", wire.PROTOCOL.upper(), "chat"]
)
def test_N51_subprotocol(path: str, protocol: str | None):
    response = status_of(path, Sec_WebSocket_Protocol=protocol)
    assert response.status == 400
    assert response.get("Connection").lower() == "close"


BAD_UPGRADES: dict[str, dict[str, str | None]] = {
    "version 8": {"Sec_WebSocket_Version": "8"},
    "no version": {"Sec_WebSocket_Version": None},
    "no key": {"Sec_WebSocket_Key": None},
    "short key": {"Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAA"},
    "long key": {"Sec_WebSocket_Key": "A" * 32},
    "key that is no base64": {"Sec_WebSocket_Key": "!" * 24},
    "no Upgrade": {"Upgrade": None},
    "another Upgrade": {"Upgrade": "h2c"},
    "no Connection": {"Connection": None},
    "Connection without upgrade": {"Connection": "keep-alive"},
}


@both_paths
@pytest.mark.parametrize("fields", BAD_UPGRADES.values(), ids=BAD_UPGRADES)
def test_N52_bad_upgrade(path: str, fields: dict[str, str | None]):
    response = status_of(path, **fields)
    assert response.status == 400
    assert response.get("Sec-WebSocket-Version") == "13"


@both_paths
def test_N52_method(path: str):
    assert status_of(path, method="POST").status == 405


@pytest.mark.parametrize(
    "target",
    ["/nothing", "/ndt/v7", "/ndt/v7/download/", "/ndt/v7/upload/", "/ndt/v7/Download", "//ndt/v7/download",
     "/ndt/v7/downloads", "/ndt/v7/../v7/download", "/ndt/v7/%64ownload", "/v2/nearest/ndt/ndt7/", "/metrics"],
)  # fmt: skip
def test_N52_other_paths(target: str):
    assert status_of(target).status == 404


@both_paths
@pytest.mark.parametrize(
    "query, status",
    [("early_exit=250", 101), ("early_exit=100", 400), ("early_exit=", 400), ("early_exit", 400),
     ("early_exit=250x", 400), ("early_exit=2%350", 101), ("a=b&early_exit=999", 400),
     ("early_exit=250&early_exit=1", 101), ("early_exit2=1", 101)],
)  # fmt: skip
def test_N53_early_exit(path: str, query: str, status: int):
    assert status_of(f"{path}?{query}").status == status


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@both_paths
def test_N54_the_five_lines(path: str, scheme: str):
    c = dial(scheme)
    request, key = wire.upgrade_request(path, "h")
    c.send(request)
    assert c.read_head() == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + wire.accept_of(key).encode() + b"\r\n"
        b"Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
    )
    c.end()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}, id="N55 deflate"),
        pytest.param({"Connection": "keep-alive, upgrade", "Upgrade": "WebSocket"}, id="as browsers write it"),
        pytest.param({"Origin": "https://elsewhere.example"}, id="any origin"),
        pytest.param({"X_Filler": "x" * 7000}, id="7 kB of header"),
    ],
)
def test_accepted(fields: dict[str, str]):
    response = status_of("/ndt/v7/download", **fields)
    assert response.status == 101
    assert not response.get("Sec-WebSocket-Extensions")


def test_the_request_may_come_byte_by_byte():
    c = dial()
    request, _ = wire.upgrade_request("/ndt/v7/upload", "h")
    c.trickle(request)
    assert wire.Response.parse(c.read_head()).status == 101
    c.end()


NO_REQUESTS = {
    "garbage": b"\x00\x01\x02\x03 what\r\n\r\n",
    "TLS to the port of ws": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
    "no version": b"GET /ndt/v7/download\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "empty line": b"\r\n\r\n",
    "NUL in a field": b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "folded field": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "head without end": b"GET / HTTP/1.1\r\n" + b"X-Filler: and so on\r\n" * 100_000,
    "line without end": b"GET /" + b"x" * 2_000_000,
}


@pytest.mark.parametrize("data", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_no_request(data: bytes):
    """A refusal or the end, never an upgrade; and the next one is served."""
    c = dial()
    status = None
    try:
        c.send(data)
        status = wire.Response.parse(c.read_head(within=LATE_S)).status
    except (Gone, ConnectionError):
        pass
    assert status in (None, 400, 404, 431, 505), status
    c.end()
    assert status_of("/ndt/v7/upload").status == 101


def test_no_tls_on_the_port_of_wss():
    c = scripted.dial(pod.serve().addresses["wss"])
    c.send(b"GET / HTTP/1.1\r\n\r\n")
    assert c.until_end(within=LATE_S)
    assert status_of("/ndt/v7/upload").status == 101


# --- download --------------------------------------------------------------------------------


def test_N56_frames_and_sizes():
    c = begin("download")
    c.keep_binary_bytes = 0
    assert c.next_frame(time.monotonic() + LATE_S), "the first one is sent at once"
    until = time.monotonic() + 10
    while c.payload_bytes() < 12 << 20:
        assert c.next_frame(until), "12 MiB in 10 s over loopback"
    c.reset()
    data = c.of(wire.BINARY)
    assert not c.of(wire.CONTINUATION)
    assert all(f.fin and f.mask is None and f.rsv == 0 for f in c.frames)
    scaling = [8192] * 16 + [s for n in range(14, 20) for s in [1 << n] * 8]
    sizes = [f.size for f in data]
    assert sizes[: len(scaling)] == scaling[: len(sizes)] and set(sizes[len(scaling) :]) <= {1 << 20}


# --- measurements ----------------------------------------------------------------------------


def measurements(test: str, count: int, rate_bytes_s: float | None = 20e6) -> tuple[Connection, list[dict[str, Any]]]:
    c = begin(test)
    c.rate_bytes_s = rate_bytes_s
    texts = [c.wait(wire.TEXT).json() for _ in range(count)]
    return c, texts


@pytest.mark.parametrize("test", ["download", "upload"])
def test_N57_members(test: str):
    c, texts = measurements(test, 3)
    local = "{}:{}".format(*c.sock.getsockname()[:2])
    remote = "{}:{}".format(*c.sock.getpeername()[:2])
    c.reset()
    for text in texts:
        info = text["ConnectionInfo"]
        assert (info["Client"], info["Server"]) == (local, remote)
        assert re.fullmatch(r"\S+_\d+_[0-9A-F]{16}", info["UUID"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", info["StartTime"])
        assert NAMED <= set(text["TCPInfo"])
        assert all(type(v) is int for v in text["TCPInfo"].values())
    assert len({json.dumps(t["ConnectionInfo"]) for t in texts}) == 1
    elapsed = [t["TCPInfo"]["ElapsedTime"] for t in texts]
    assert elapsed == sorted(elapsed) and 25_000 <= elapsed[0] < 1e6 * LATE_S  # 625 ms, N58


@pytest.mark.parametrize("test", ["download", "upload"])
def test_N59_each_text_is_followed_by_a_ping(test: str):
    c, _ = measurements(test, 4)
    c.reset()
    kinds = [f.opcode for f in c.frames if f.opcode in (wire.TEXT, wire.PING)]
    assert kinds[: 2 * (len(kinds) // 2)] == [wire.TEXT, wire.PING] * (len(kinds) // 2)
    assert all(re.fullmatch(rb"\d+", f.payload) for f in c.of(wire.PING))
    assert all(f.payload.endswith(b"}\n") for f in c.of(wire.TEXT))


# --- what clients do -------------------------------------------------------------------------


def upload_counts(c: Connection, size: int) -> None:
    """It goes on: with what is sent now, all that was sent is in a text of the server's."""
    c.binary(size)
    until = time.monotonic() + 8
    while c.wait(wire.TEXT).json()["TCPInfo"]["BytesReceived"] < c.bytes_sent:
        assert time.monotonic() < until, "what was sent is not counted: the upload stalls"


def closes_with(c: Connection, code: int) -> None:
    frame = c.wait(wire.CLOSE)
    assert frame.code == code, frame
    assert c.until_end(within=LATE_S)


BAD_FRAMES = {
    "N63 unmasked": (wire.frame(wire.BINARY, bytes(10)), 1002),
    "N63 RSV1": (wire.frame(wire.BINARY, bytes(10), rsv=4, mask=b"abcd"), 1002),
    "RSV3": (wire.frame(wire.BINARY, bytes(10), rsv=1, mask=b"abcd"), 1002),
    "reserved opcode": (wire.frame(3, b"", mask=b"abcd"), 1002),
    "reserved control opcode": (wire.frame(0xB, b"", mask=b"abcd"), 1002),
    "long ping": (wire.header(wire.PING, 126, mask=b"abcd"), 1002),
    "fragmented ping": (wire.frame(wire.PING, b"", fin=False, mask=b"abcd"), 1002),
    "continuation of nothing": (wire.frame(wire.CONTINUATION, b"x", mask=b"abcd"), 1002),
    "length with the top bit": (wire.header(wire.BINARY, 1 << 63, mask=b"abcd"), 1002),
    "N64 one byte too much": (wire.header(wire.BINARY, (1 << 24) + 1, mask=b"abcd"), 1009),
    "invalid UTF-8": (wire.frame(wire.TEXT, b"\xff", mask=b"abcd"), 1007),
    "Close with half a code": (wire.frame(wire.CLOSE, b"\x03", mask=b"abcd"), 1002),
}


@pytest.mark.parametrize("data, code", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_frames(data: bytes, code: int):
    c = begin("upload")
    c.send(data)
    closes_with(c, code)


@pytest.mark.alone
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_N63_a_bad_frame_in_a_flood(scheme: str):
    """What stands behind it is read, so that no reset overtakes the Close: for half a second."""
    c = begin("upload", scheme)
    c.send(wire.frame(wire.BINARY, bytes(10)) + bytes(16 << 20))
    closes_with(c, 1002)


def test_bad_frames_in_a_download():
    c = begin("download")
    c.send(wire.frame(wire.BINARY, bytes(10)))
    closes_with(c, 1002)


def test_N64_the_largest_message():
    c = begin("upload")
    upload_counts(c, 1 << 24)
    c.end()


def test_N64_the_largest_message_in_fragments():
    c = begin("upload")
    c.binary(1000)
    for i in range(16):
        c.frame(wire.BINARY if i == 0 else wire.CONTINUATION, bytes(1 << 20), fin=False)
    c.frame(wire.CONTINUATION, b"x")
    closes_with(c, 1009)


def test_N65_fragments_and_pings():
    c = begin("upload")
    c.wait(wire.TEXT)
    mask = b"\x11\x22\x33\x44"
    piece = wire.frame(wire.CONTINUATION, bytes(4096), fin=False, mask=mask)
    for i in range(32):  # 32 MiB
        c.send(wire.frame(wire.BINARY, bytes(4096), fin=False, mask=mask) + piece * 127)
        c.frame(wire.PING, b"%d" % i)
        c.send(piece * 127 + wire.frame(wire.CONTINUATION, bytes(4096), mask=mask))
    upload_counts(c, 1000)
    while len(c.of(wire.PONG)) < 32:
        c.wait(wire.PONG)
    assert [f.payload for f in c.of(wire.PONG)] == [b"%d" % i for i in range(32)]
    c.end()


def test_pings_are_answered_in_a_download():
    c = begin("download")
    c.ping(b"are you there")
    assert c.wait(wire.PONG).payload == b"are you there"
    c.reset()


@pytest.mark.parametrize("test", ["download", "upload"])
@pytest.mark.parametrize("code", [1000, 1001, 4999, None])
def test_N66_the_clients_close(test: str, code: int | None):
    c = begin(test)
    c.rate_bytes_s = 100e6
    c.watch(0.3)
    c.rate_bytes_s = None
    c.close(code)
    assert c.wait(wire.CLOSE).code == code
    assert c.until_end(within=LATE_S)


def test_N68_early_exit():
    c = begin("download", query="?early_exit=250")
    frame = c.wait(wire.CLOSE, within=10 + LATE_S)
    assert frame.code == 1000
    infos = [f.json()["TCPInfo"] for f in c.of(wire.TEXT)]
    acked = [info["BytesAcked"] for info in infos]
    if infos[-1]["ElapsedTime"] >= 10_000_000 and acked[-1] < 250_000_000:
        pytest.skip(f"this machine moves only {acked[-1] / 1e6:.0f} MB in ten seconds")
    assert acked[-1] >= 250_000_000 and all(a < 250_000_000 for a in acked[:-1])
    c.close(1000)
    assert c.until_end(within=LATE_S)


# ndt7.md trap 1: each of these makes the reference server stop reading for good.
ODD_TEXTS = [
    "hello", "", "[]", "{", "\ufeff{}", "{}x", '{"AppInfo":{"NumBytes":1.5}}', '{"AppInfo":{"NumBytes":1e6}}',
    '{"AppInfo":{"NumBytes":"7"}}', '{"TCPInfo":{"RTT":-1}}', '{"TCPInfo":{"MaxPacingRate":18446744073709551615}}',
    '{"TCPInfo":{"State":300}}', '{"ConnectionInfo":{"StartTime":"yesterday"}}', "[" * 50_000,
    '{"x":"' + "y" * 200_000 + '"}',
]  # fmt: skip


def test_N69_odd_texts_do_not_stall_the_upload():
    c = begin("upload")
    for text in ODD_TEXTS:
        c.text(text)
    upload_counts(c, 100_000)
    c.end()


def test_N69_odd_pongs_do_not_either():
    c = begin("upload")
    for payload in (b"", b"not a number", bytes(125)):
        c.frame(wire.PONG, payload)
    upload_counts(c, 100_000)
    c.end()


def test_data_in_a_download_does_not_end_it():
    c = begin("download")
    c.binary(100)
    c.text("hello")
    c.rate_bytes_s = 50e6
    assert c.wait(wire.TEXT)
    c.reset()


@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("when", ["before the request", "in the request", "before TLS", "in the test", "in a frame"])
def test_clients_that_vanish(when: str, how: str):
    """The server is there for the next one."""
    c = dial() if when != "before TLS" else scripted.dial(pod.serve().addresses["wss"])
    if when == "in the request":
        c.send(b"GET /ndt/v7/down")
    if when == "before TLS":
        c.send(b"\x16\x03\x01\x02\x00")
    if when in ("in the test", "in a frame"):
        scripted.ask(c, "/ndt/v7/upload")
    if when == "in a frame":
        c.send(wire.header(wire.BINARY, 1 << 20, mask=b"abcd") + bytes(1000))
    getattr(c, how)()
    assert status_of("/ndt/v7/upload").status == 101


def test_half_a_connection_of_a_download():
    """A client that sends nothing more will not answer our Close: its FIN is its end."""
    c = begin("download")
    c.sock.shutdown(socket.SHUT_WR)
    assert c.until_end(within=LATE_S)


def test_half_a_connection_that_is_gone():
    """What looks like half a connection is found out at the next measurements."""
    with pod.own_serve() as server:
        c = scripted.dial(server.addresses["ws"])
        assert scripted.ask(c, "/ndt/v7/upload").status == 101
        c.end()
        until = time.monotonic() + 2 * LATE_S  # not its end at 10 s
        while "upload ended" not in server.log():
            assert time.monotonic() < until, server.log()
            time.sleep(0.05)
        assert "(eof)" in server.log()


# --- the program -----------------------------------------------------------------------------


def serve(*args: str) -> tuple[int, str]:
    r = subprocess.run([str(pod.binary()), "serve", *args], capture_output=True, text=True, timeout=20)
    return r.returncode, r.stderr


@pytest.mark.parametrize(
    "args, status, words",
    [
        pytest.param(["--listen", "192.0.2.1", "--ws", "0"], 1, "192.0.2.1", id="address of another machine"),
        pytest.param(["--listen", "nonsense"], 2, "nonsense", id="no address"),
        pytest.param(["--ws", "70000"], 2, "65535", id="port too large"),
        pytest.param(["--ws", "x"], 2, "--ws", id="port that is none"),
        pytest.param(
            ["--wss", "0", "--cert", "/nowhere.pem", "--key", "/nowhere.key"], 4, "nowhere.pem", id="no such file"
        ),
        pytest.param(["--cc", "nonsense", "--ws", "0"], 5, "nonsense", id="no such congestion control"),
        pytest.param(["--max-clients", "0"], 2, "--max-clients", id="nobody"),
    ],
)
def test_serve_that_cannot(args: list[str], status: int, words: str):
    got, said = serve(*args)
    assert got == status and words in said, f"status {got}\n{said}"


def test_serve_on_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        got, said = serve("--listen", "127.0.0.1", "--ws", str(port))
        assert got == 1 and str(port) in said and "use" in said, f"status {got}\n{said}"
