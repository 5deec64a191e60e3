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
from pod import LATE_S
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


@marked
def test_N27_close_at_10_s():
    ended = []

    def close(c: Connection) -> None:
        c.close()
        reply = c.wait(wire.CLOSE)
        assert reply.code in (1000, None)
        c.watch(0.5)
        assert not c.ended, "the client ended TCP before the server"
        c.end()
        ended.append(time.monotonic())

    stream = fakes.Stream(10, close)
    _, outcome = pod.against(stream, "--download")
    assert outcome.status == 0 and outcome.download["complete"], outcome
    stream.check(outcome)
    assert outcome.ended_at - ended[0] < LATE_S


@marked
def test_N27_a_server_that_never_ends_tcp():
    """After both Closes the client waits two seconds for the end, then ends it itself."""
    closed = []

    def script(c: Connection) -> None:
        c.upgrade()
        c.binary(8192)
        closed.append(time.monotonic())
        c.close()
        closed.append(c.wait(wire.CLOSE).at)
        c.until_end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 0, outcome
    assert closed[0] + 2 <= server.only.ended_at < closed[1] + 2 + LATE_S


@marked
def test_N30_a_download_without_end():
    seconds, outcome = alone_with(fakes.Stream(30), "--download")
    assert outcome.status == 0, outcome
    assert 13 <= seconds < 13 + LATE_S
    assert outcome.download["elapsed_s"] < 15.5
    assert outcome.download["ending"] == "cap"
    assert outcome.warned("did not end")


@marked
def test_N31_one_frame_then_silence():
    sent = []

    def script(c: Connection) -> None:
        c.upgrade()
        sent.append(time.monotonic())
        c.binary(8192)
        sent.append(time.monotonic())
        c.until_end()

    server, outcome = pod.against(script, "--download")
    assert outcome.status == 3, outcome
    assert sent[0] + 7 <= server.only.ended_at < sent[1] + 7 + LATE_S
    assert outcome.download["ending"] == "stall" and outcome.download["bytes"] == 8192
    assert outcome.warned("nothing came")


@marked
def test_N31_silence_from_the_beginning():
    def script(c: Connection) -> None:
        c.upgrade()
        c.until_end()

    seconds, outcome = alone_with(script, "--download")
    assert outcome.status == 1 and outcome.result["download"] is None, outcome
    assert 7 <= seconds < 7 + LATE_S
    assert "stall" in outcome.stderr, outcome


@marked
def test_N32_an_upload_without_end():
    """The clock of the bulk is the client's own."""

    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = 50e6  # of what waits in buffers, the last is read 0.1 s later
        until = time.monotonic() + 10.6
        while time.monotonic() < until:
            c.text(fakes.tcp_info(ElapsedTime=int((time.monotonic() - c.began) * 1e6), BytesReceived=c.bytes_read))
            c.watch(0.25)
        c.rate_bytes_s = None
        c.until_end()

    server, outcome = pod.against(script, "--upload", receive_buffer_bytes=256 * 1024)
    assert outcome.status == 0, outcome
    assert outcome.upload["ending"] == "time" and outcome.upload["complete"]
    closed = server.only.of(wire.CLOSE)
    assert closed, "it says Close when its time is over"
    assert 10 <= closed[0].at - server.only.began < 10 + LATE_S
    assert server.only.ended_at - closed[0].at < 3 + LATE_S
    assert server.only.of(wire.BINARY)[-1].at <= closed[0].at


@marked
def test_N33_a_server_that_stops_reading():
    def script(c: Connection) -> None:
        fakes.upload_begin(c, 0.5)
        c.pause(30)

    seconds, outcome = alone_with(script, "--upload")
    assert outcome.status == 3 and not outcome.upload["complete"], outcome
    assert seconds < 13 + LATE_S
    assert outcome.warned("nothing more was acknowledged")
    outcome.check_figures()


@marked
def test_a_server_that_falls_silent():
    """It reads to the end and closes in order, but of the last six seconds it tells nothing."""
    told_us = []

    def script(c: Connection) -> None:
        c.upgrade()
        c.rate_bytes_s = 5e6
        until = time.monotonic() + 10.1
        while time.monotonic() < until:
            if time.monotonic() < until - 6.1:
                told_us.append(int((time.monotonic() - c.began) * 1e6))
                c.text(fakes.tcp_info(ElapsedTime=told_us[-1], BytesReceived=c.bytes_read))
            c.watch(0.25)
        fakes.upload_end(c)

    _, outcome = pod.against(script, "--upload", receive_buffer_bytes=256 * 1024)
    assert outcome.status == 3, outcome
    assert not outcome.upload["complete"] and outcome.upload["ending"] in ("close", "time")
    assert outcome.upload["elapsed_s"] == pytest.approx(told_us[-1] / 1e6, abs=0.001)
    assert outcome.upload["goodput_source"] == "server tcp_info"
    assert outcome.warned("of its first [3-5]\\.. s: the server told no more")


@marked
def test_N33_a_server_that_never_reads():
    def script(c: Connection) -> None:
        c.upgrade()
        c.pause(30)

    seconds, outcome = alone_with(script, "--upload", receive_buffer_bytes=4096)
    assert outcome.status == 3 and not outcome.upload["complete"], outcome
    assert outcome.warned("nothing more was acknowledged")
    assert seconds < 13 + LATE_S


@pytest.mark.alone
def test_N50_more_than_4_GiB():
    """Counters of 64 bits, and memory that does not grow with what passes."""
    if pod.sanitized():
        pytest.skip("a sanitized build does not reach 4 GiB in ten seconds")
    with pod.own_serve() as server:
        words = ["--server", f"ws://{server.addresses['ws']}", "--no-store", "--download", "--max-bytes"]
        less, outcome = (pod.start(*words, wanted).finish() for wanted in (1 << 30, (1 << 32) + (1 << 28)))
    if outcome.download["bytes"] < 1 << 32:
        pytest.skip(f"this machine moves only {outcome.download['bytes'] / 1e9:.1f} GB in ten seconds")
    assert outcome.status == 0, outcome
    mbps = outcome.download["bytes"] * 8 / outcome.download["elapsed_s"] / 1e6
    assert outcome.download["goodput_mbps"] == pytest.approx(mbps, rel=1e-3)
    assert less.peak_bytes and outcome.peak_bytes - less.peak_bytes < MIB
    assert outcome.peak_bytes < 16 * MIB


# --- our server ------------------------------------------------------------------------------


def whole_test(test: str, *, address: str = "", pongs: bool = True, answers: bool = True) -> Connection:
    """A scripted client that stays to the end; it reads slowly and sends nothing but answers."""
    c = scripted.dial(address or pod.serve().addresses["ws"], receive_buffer_bytes=128 * 1024)
    assert scripted.ask(c, f"/ndt/v7/{test}").status == 101  # c.began is before, as the server's clock began behind it
    answered_at = time.monotonic()
    c.rate_bytes_s = READ_BYTES_S
    with contextlib.suppress(Gone):
        while frame := c.next_frame(answered_at + 15 + LATE_S):
            if frame.opcode == wire.PING and pongs:
                c.frame(wire.PONG, frame.payload)
            if frame.opcode == wire.CLOSE and answers:
                c.close(1000)
    c.end()
    return c


def check_whole(c: Connection) -> None:
    """N60: the last text is of the end, then Close 1000 follows."""
    texts = [f.json()["TCPInfo"]["ElapsedTime"] for f in c.of(wire.TEXT)]
    assert 10 <= texts[-1] / 1e6 < 10 + LATE_S
    closes = c.of(wire.CLOSE)
    assert [f.code for f in closes] == [1000]
    order = [f.opcode for f in c.frames if f.opcode in (wire.TEXT, wire.CLOSE)]
    assert order[-2:] == [wire.TEXT, wire.CLOSE]


@marked
@pytest.mark.parametrize("test", ["download", "upload"])
def test_N60_N61_the_end_with_an_answer(test: str):
    c = whole_test(test)
    check_whole(c)
    assert c.ended_at - c.of(wire.CLOSE)[0].at < LATE_S, "it waits for its 15 s although it has its answer"


@marked
@pytest.mark.parametrize("test", ["download", "upload"])
def test_N61_the_end_without_an_answer(test: str):
    c = whole_test(test, answers=False)
    check_whole(c)
    assert 15 <= c.ended_at - c.began < 15 + LATE_S


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
    c.binary(10_000)
    socket.socket.shutdown(c.sock, socket.SHUT_WR)
    c.until_end(within=10 + LATE_S)
    check_whole(c)
    assert len(c.of(wire.TEXT)) > 16, "one every 625 ms at least"
    assert 10 <= c.ended_at - c.began < 10 + LATE_S, "nobody is there to answer: it ends before its 15 s"


@marked
def test_N58_the_schedule():
    """Exponential gaps clamped to 25..625 ms, by the server's own stamps, over twelve tests at once.

    A server that is late only ever makes a gap longer: the shape to the percent is ndt7_test's, in virtual time.
    """
    with ThreadPoolExecutor(12) as pool:
        tests = list(pool.map(whole_test, ["upload"] * 12))
    gaps_ms: list[float] = []
    for c in tests:
        at = [f.json()["TCPInfo"]["ElapsedTime"] / 1e3 for f in c.of(wire.TEXT)]
        gaps_ms += [b - a for a, b in zip([0, *at], at[:-1])]  # the last one is of the end
    assert 25 - 5 < min(gaps_ms) < 100 and 500 < max(gaps_ms) < 625 + 1e3 * LATE_S
    mean = sum(gaps_ms) / len(gaps_ms)
    assert len(gaps_ms) > 300 and 205 < mean < 400, mean
    median = sorted(gaps_ms)[len(gaps_ms) // 2]
    assert median < 0.9 * mean, "exponential: ln 2 of the mean, and not symmetric about it"
    assert len({round(g) for g in gaps_ms}) > 100, "not periodic"
    firsts = {tuple(f.json()["TCPInfo"]["ElapsedTime"] // 1000 for f in c.of(wire.TEXT)[:4]) for c in tests}
    assert len(firsts) == 12, "each test has a schedule of its own"


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def settles(pid: int, at_most: int) -> None:
    """What was reset with bytes queued may take the server's own limit of 15 s."""
    until = time.monotonic() + 15 + LATE_S
    while descriptors(pid) > at_most:
        assert time.monotonic() < until, f"{descriptors(pid)} descriptors in place of {at_most}"
        time.sleep(0.1)


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
        before = descriptors(pid)
        vanish(address, seed)
        settles(pid, before)
        memory_bytes = pod.memory_bytes(pid)
        with ThreadPoolExecutor(24) as pool:
            whole = [pool.submit(whole_test, t, address=address) for t in ("download", "upload") * 2]
            for first in range(seed + 1, seed + 65, 16):
                list(pool.map(vanish, [address] * 16, range(first, first + 16)))
            for future in whole:
                check_whole(future.result())
        settles(pid, before)
        assert pod.sanitized() or pod.memory_bytes(pid) < memory_bytes + 8 * MIB
