"""Tests that take their ten seconds: N27, N30 to N33, N50, N58, N60 to N62 and N67 of the ndt7 contract."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fakes
import pod
import scripted
import wire
from scripted import Connection, Gone

MIB = 1 << 20
READ_BYTES_S = 30e6  # a message of 1 MiB keeps the sender for 35 ms: no sample is later than that


def alone_with(script: scripted.Script, *args: str, **server: int) -> tuple[float, pod.Outcome]:
    """How long after its connection was there the program was gone, and what it said."""
    with scripted.Server(script, **server) as s:
        outcome = pod.test("--server", s.url(), *args)
        return time.monotonic() - s.only.began, outcome


def marked(test: Callable[..., None]) -> Callable[..., None]:
    """Long, and beside the others: it mostly sleeps."""
    return pytest.mark.long(pytest.mark.at_once(test))


# --- our client ------------------------------------------------------------------------------


def stream(c: Connection, seconds: float) -> None:
    """A slow download: 160 kB/s."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        c.binary(8192)
        c.watch(0.05)


@marked
def test_N27_close_at_10_s():
    def script(c: Connection) -> None:
        c.upgrade()
        stream(c, 10)
        c.close()
        closed = time.monotonic()
        reply = c.wait(wire.CLOSE, within=1)
        assert reply.code in (1000, None)
        assert reply.at - closed < 0.5
        c.watch(0.5)
        assert not c.ended, "the client ended TCP before the server"
        c.end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    assert outcome.download["complete"] and outcome.download["elapsed_s"] == pytest.approx(10, abs=0.5)
    assert outcome.seconds_since(server.only) < 12.5


@marked
def test_N27_a_server_that_never_ends_tcp():
    """After both Closes the client waits two seconds for the end, then ends it itself."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(8192)
        c.close()
        c.wait(wire.CLOSE)
        c.until_end(within=5)

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    assert outcome.seconds_since(server.only) < 4
    assert server.only.ended


@marked
def test_N30_a_download_without_end():
    def script(c: Connection) -> None:
        c.upgrade()
        stream(c, 20)

    seconds, outcome = alone_with(script, "--download")
    assert outcome.status == 0, outcome
    assert 13 <= seconds < 15.5
    assert outcome.download["ending"] == "cap"
    assert outcome.warned("did not end")


@marked
def test_N31_one_frame_then_silence():
    sent = []

    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(8192)
        sent.append(time.monotonic())
        c.until_end(within=15)

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 3, outcome
    assert 7 <= server.only.ended_at - sent[0] < 8
    assert outcome.download["ending"] == "stall" and outcome.download["bytes"] == 8192
    assert outcome.warned("nothing came")


@marked
def test_N31_silence_from_the_beginning():
    def script(c: Connection) -> None:
        c.upgrade()
        c.until_end(within=15)

    seconds, outcome = alone_with(script, "--download")
    assert outcome.status == 1 and outcome.result["download"] is None, outcome
    assert 7 <= seconds < 8
    assert "stall" in outcome.stderr, outcome


@marked
def test_N32_an_upload_without_end():
    began = []

    def script(c: Connection) -> None:
        c.upgrade()
        began.append(time.monotonic())
        c.rate_bytes_s = 50e6  # of what waits in buffers, the last is read 0.1 s later
        until = time.monotonic() + 10.6
        while time.monotonic() < until:
            c.text(fakes.tcp_info(ElapsedTime=int((time.monotonic() - c.began) * 1e6), BytesReceived=c.bytes_read))
            c.watch(0.25)
        c.rate_bytes_s = None
        c.until_end(within=10)

    server, outcome = pod.against(script, "--upload", receive_buffer_bytes=256 * 1024)
    assert outcome.status == 0, outcome
    assert outcome.upload["ending"] == "time" and outcome.upload["complete"]
    assert server.only.ended_at - began[0] <= 13
    data = server.only.of(wire.BINARY)
    assert data[-1].at - began[0] == pytest.approx(10, abs=0.3 if not pod.sanitized() else 0.6)
    assert server.only.of(wire.CLOSE), "it says Close when its time is over"


@marked
def test_N33_a_server_that_stops_reading():
    def script(c: Connection) -> None:
        fakes.upload_begin(c, 0.5)
        c.pause(30)

    seconds, outcome = alone_with(script, "--upload")
    assert outcome.status == 3 and not outcome.upload["complete"], outcome
    assert seconds <= 13
    assert outcome.warned("nothing more was acknowledged")
    outcome.check_figures()


@marked
def test_a_server_that_falls_silent():
    """It reads to the end and closes in order, but of the last six seconds it tells nothing."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = 5e6
        until = time.monotonic() + 10.1
        while time.monotonic() < until:
            if time.monotonic() < until - 6.1:
                c.text(fakes.tcp_info(ElapsedTime=int((time.monotonic() - c.began) * 1e6), BytesReceived=c.bytes_read))
            c.watch(0.25)
        fakes.upload_end(c)

    _, outcome = pod.against(script, "--upload", receive_buffer_bytes=256 * 1024)
    assert outcome.status == 3, outcome
    assert not outcome.upload["complete"] and outcome.upload["ending"] in ("close", "time")
    assert outcome.upload["elapsed_s"] == pytest.approx(4, abs=0.5)
    assert outcome.upload["goodput_source"] == "server tcp_info"
    assert outcome.warned("of its first [34]\\.. s: the server told no more")


@marked
def test_N33_a_server_that_never_reads():
    def script(c: Connection) -> None:
        c.upgrade()
        c.pause(30)

    seconds, outcome = alone_with(script, "--upload", receive_buffer_bytes=4096)
    assert outcome.status == 3 and not outcome.upload["complete"], outcome
    assert outcome.warned("nothing more was acknowledged")
    assert seconds <= 13


@pytest.mark.long
def test_N50_more_than_4_GiB():
    """Counters of 64 bits, and memory that does not grow with what passes."""
    if pod.sanitized():
        pytest.skip("a sanitized build does not reach 4 GiB in ten seconds")
    wanted = (1 << 32) + (1 << 28)
    with pod.own_serve() as server:
        running = pod.start("--server", f"ws://{server.addresses['ws']}", "--download", "--max-bytes", wanted)
        time.sleep(0.5)
        early_bytes = pod.memory_bytes(running.process.pid)
        outcome = running.finish()
    if outcome.download["bytes"] < 1 << 32:
        pytest.skip(f"this machine moves only {outcome.download['bytes'] / 1e9:.1f} GB in ten seconds")
    assert outcome.status == 0, outcome
    mbps = outcome.download["bytes"] * 8 / outcome.download["elapsed_s"] / 1e6
    assert outcome.download["goodput_mbps"] == pytest.approx(mbps, rel=1e-3)
    assert early_bytes == 0 or outcome.peak_bytes - early_bytes < 1 * MIB
    assert outcome.peak_bytes < 16 * MIB


# --- our server ------------------------------------------------------------------------------


def whole_test(test: str, *, address: str = "", pongs: bool = True, answers: bool = True) -> Connection:
    """A scripted client that stays to the end; it reads slowly and sends nothing but answers."""
    c = scripted.dial(address or pod.serve().addresses["ws"], receive_buffer_bytes=128 * 1024)
    assert scripted.ask(c, f"/ndt/v7/{test}").status == 101
    c.began = time.monotonic()
    c.rate_bytes_s = READ_BYTES_S
    with contextlib.suppress(Gone):
        while frame := c.next_frame(c.began + 20):
            if frame.opcode == wire.PING and pongs:
                c.frame(wire.PONG, frame.payload)
            if frame.opcode == wire.CLOSE and answers:
                c.close(1000)
    c.end()
    return c


def check_whole(c: Connection) -> None:
    """N60: the last text is of the end, then Close 1000 follows."""
    texts = [f.json()["TCPInfo"]["ElapsedTime"] for f in c.of(wire.TEXT)]
    assert texts[-1] / 1e6 == pytest.approx(10.0, abs=0.1)
    closes = c.of(wire.CLOSE)
    assert [f.code for f in closes] == [1000]
    order = [f.opcode for f in c.frames if f.opcode in (wire.TEXT, wire.CLOSE)]
    assert order[-2:] == [wire.TEXT, wire.CLOSE]


@marked
@pytest.mark.parametrize("test", ["download", "upload"])
def test_N60_N61_the_end_with_an_answer(test: str):
    c = whole_test(test)
    check_whole(c)
    assert c.ended_at - c.of(wire.CLOSE)[0].at < 0.7


@marked
@pytest.mark.parametrize("test", ["download", "upload"])
def test_N61_the_end_without_an_answer(test: str):
    c = whole_test(test, answers=False)
    check_whole(c)
    assert c.ended_at - c.began == pytest.approx(15, abs=0.3)


@marked
@pytest.mark.parametrize("test", ["download", "upload"])
def test_N62_without_pongs(test: str):
    check_whole(whole_test(test, pongs=False))


@marked
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_half_a_connection(scheme: str):
    """FIN of a client that has uploaded enough: it hears measurements until 10 s, and the Close (contract 7.5)."""
    context = None
    if scheme == "wss":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = scripted.dial(pod.serve().addresses[scheme], context)
    assert scripted.ask(c, "/ndt/v7/upload").status == 101
    c.began = time.monotonic()
    c.binary(10_000)
    socket.socket.shutdown(c.sock, socket.SHUT_WR)
    c.until_end(within=13)
    check_whole(c)
    assert len(c.of(wire.TEXT)) > 20
    assert c.ended_at - c.began == pytest.approx(10, abs=0.5), "nobody is there to answer"


@marked
def test_N58_the_schedule():
    """Exponential gaps clamped to 25..625 ms, by the server's own stamps, over twelve tests at once."""
    with ThreadPoolExecutor(12) as pool:
        tests = list(pool.map(whole_test, ["upload"] * 12))
    gaps_ms: list[float] = []
    for c in tests:
        at = [f.json()["TCPInfo"]["ElapsedTime"] / 1e3 for f in c.of(wire.TEXT)]
        gaps_ms += [b - a for a, b in zip([0, *at], at[:-1])]  # the last one is of the end
    assert min(gaps_ms) > 25 - 5 and max(gaps_ms) < 625 + 100
    mean = sum(gaps_ms) / len(gaps_ms)
    assert len(gaps_ms) > 400 and 205 < mean < 265, mean
    clamped = sum(g < 30 for g in gaps_ms) / len(gaps_ms)
    assert 0.05 < clamped < 0.17, "exponential: 1 - exp(-25/250) are clamped below"
    assert len({round(g) for g in gaps_ms}) > 100, "not periodic"
    firsts = {tuple(f.json()["TCPInfo"]["ElapsedTime"] // 1000 for f in c.of(wire.TEXT)[:4]) for c in tests}
    assert len(firsts) == 12, "each test has a schedule of its own"


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def vanish(address: str, seed: int) -> None:
    """A client that breaks off at some point in some way."""
    r = random.Random(seed)
    c = scripted.dial(address)
    with contextlib.suppress(Gone):
        if r.random() < 0.2:
            c.send(b"GET /ndt/v7/download HT")
        else:
            test = r.choice(["download", "upload"])
            scripted.ask(c, f"/ndt/v7/{test}")
            c.rate_bytes_s = READ_BYTES_S
            c.watch(r.uniform(0, 3))
            c.send(wire.header(wire.BINARY, 1 << 16, mask=b"abcd") + bytes(r.randrange(1 << 16)))
    (c.reset if r.random() < 0.5 else c.end)()


@marked
def test_N67_twenty_clients_and_random_aborts():
    """No socket stays, memory does not grow, and who stays to the end is served to the end."""
    seed = int(time.time())
    print(f"seed {seed}")
    with pod.own_serve() as server:
        pid, address = server.process.pid, server.addresses["ws"]
        vanish(address, seed)
        time.sleep(1)
        before = descriptors(pid), pod.memory_bytes(pid)
        with ThreadPoolExecutor(24) as pool:
            whole = [pool.submit(whole_test, t, address=address) for t in ("download", "upload") * 2]
            for first in range(seed + 1, seed + 65, 16):
                list(pool.map(vanish, [address] * 16, range(first, first + 16)))
            for future in whole:
                check_whole(future.result())
        until = time.monotonic() + 8  # what was reset with bytes queued may take the server's own limit
        while descriptors(pid) > before[0] and time.monotonic() < until:
            time.sleep(0.1)
        assert descriptors(pid) == before[0]
        assert pod.sanitized() or pod.memory_bytes(pid) < before[1] + 8 * MIB
