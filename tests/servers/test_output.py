"""What is said of a test, and where: N86 to N91 of the ndt7 contract, and outputs that cannot be written."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakes
import pod
import wire
from scripted import Connection, Script, Server, by_test, refuse

pytestmark = pytest.mark.at_once

INFO = {
    "ConnectionInfo": {"Client": "127.0.0.1:40122", "Server": "127.0.0.1:80", "UUID": "host_1_0A",
                       "StartTime": "2026-03-01T10:20:30.123456789Z"},
    "TCPInfo": {"ElapsedTime": 2_000_000, "BytesAcked": 23_425_000, "BytesReceived": 2_500_000, "BytesSent": 1000,
                "BytesRetrans": 10, "MinRTT": 12345, "RTT": 14200},
}  # fmt: skip


def download(c: Connection) -> None:
    c.upgrade()
    c.binary(1 << 16)
    c.watch(0.3)  # long enough for a sample of the client's
    c.binary(1 << 16)
    c.text(INFO)
    c.close_and_end()


def upload(c: Connection) -> None:
    """Its two seconds are believed until then, and are the whole test until a second and a half later."""
    fakes.upload_begin(c, 0.3, INFO["TCPInfo"]["BytesReceived"])
    c.text(INFO)
    fakes.upload_end(c)


measured = by_test(download, upload)


def run(script: Script = measured, *args: str, **how: Any) -> pod.Outcome:
    return pod.against(script, *args, how=how)[1]


# --- jsonl: the shape of ndt7-client-go ------------------------------------------------------


def test_N86_jsonl():
    outcome = run(format="jsonl")
    assert outcome.status == 0, outcome
    *events, summary = outcome.events
    assert all(set(e) == {"Key", "Value"} for e in events)
    for test in ("download", "upload"):
        keys = [e["Key"] for e in events if e["Value"]["Test"] == test]
        assert keys[:2] == ["starting", "connected"] and keys[-1] == "complete"
        assert set(keys[2:-1]) == {"measurement"}
    connected = next(e for e in events if e["Key"] == "connected")
    assert connected["Value"] == {"Test": "download", "Server": "127.0.0.1"}
    measurements = [e["Value"] for e in events if e["Key"] == "measurement"]
    assert {(m["Origin"], m["Test"]) for m in measurements} >= {("server", "download"), ("client", "download"),
                                                                ("server", "upload")}  # fmt: skip
    said = next(m for m in measurements if m["Origin"] == "server")
    assert {n: said["TCPInfo"][n] for n in INFO["TCPInfo"]} == INFO["TCPInfo"]
    assert {n: said["ConnectionInfo"][n] for n in INFO["ConnectionInfo"]} == INFO["ConnectionInfo"]
    check_summary(summary)


def check_summary(summary: dict[str, Any]) -> None:
    assert set(summary) == {"ServerFQDN", "ServerIP", "ClientIP", "Download", "Upload"}
    assert (summary["ServerFQDN"], summary["ServerIP"], summary["ClientIP"]) == ("127.0.0.1",) * 3
    down, up = summary["Download"], summary["Upload"]
    assert down["UUID"] == up["UUID"] == "host_1_0A"
    assert down["Throughput"]["Unit"] == up["Throughput"]["Unit"] == "Mbit/s"
    assert up["Throughput"]["Value"] == pytest.approx(10)
    assert down["Latency"] == {"Value": 12.345, "Unit": "ms"}
    assert down["Retransmission"] == {"Value": 1, "Unit": "%"}


def test_N86_a_direction_that_was_not_asked_for():
    summary = run(measured, "--download", format="jsonl").events[-1]
    assert summary["Upload"] is None and summary["Download"]


def test_N87_a_failed_direction():
    outcome = run(by_test(refuse(404), upload), format="jsonl")
    assert outcome.status == 3, outcome
    keys = [e["Key"] for e in outcome.events if e.get("Value", {}).get("Test") == "download"]
    assert keys == ["starting", "error", "complete"]
    failure = next(e for e in outcome.events if e.get("Key") == "error")["Value"]
    assert set(failure) == {"Test", "Failure"} and "404" in failure["Failure"]
    summary = outcome.events[-1]
    for figure in ("Throughput", "Latency", "Retransmission"):
        assert summary["Download"][figure] == {"Value": 0, "Unit": ""}
    assert summary["Upload"]["Throughput"]["Unit"] == "Mbit/s"


def test_N87_both_failed():
    for format in ("json", "jsonl", "human", "raw"):
        outcome = run(refuse(404), format=format)
        assert outcome.status == 1, outcome
        assert "404" in outcome.stderr, outcome


# --- partly done -----------------------------------------------------------------------------


def cut(c: Connection) -> None:
    c.upgrade()
    c.binary(1 << 16)
    c.watch(0.3)
    c.end()


@pytest.mark.parametrize("format", ["json", "jsonl", "human"])
def test_N88_a_test_that_was_cut_is_told_from_a_whole_one(format: str):
    assert run(measured, "--download", format=format).status == 0
    assert run(cut, "--download", format=format).status == 3


# --- standard output -------------------------------------------------------------------------


FORMATS = ["json", "jsonl", "human", "raw"]


@pytest.mark.parametrize("format", FORMATS)
def test_N89_full_disk(format: str):
    with open("/dev/full", "w") as full:
        outcome = run(format=format, stdout=full)
    assert outcome.status == 1, outcome
    assert re.search("no space|full", outcome.stderr, re.IGNORECASE), outcome
    assert len(outcome.stderr) < 2000


@pytest.mark.parametrize("format", FORMATS)
def test_N89_closed_standard_output(format: str):
    outcome = run(format=format, prefix=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert outcome.status == 1, outcome
    assert re.search("standard output", outcome.stderr, re.IGNORECASE), outcome


@pytest.mark.parametrize("format", FORMATS)
def test_N89_nobody_reads(format: str):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with Server(measured) as server:
            running = pod.start("--server", server.url(), format=format, stdout=writer)
            outcome = running.finish()
    finally:
        os.close(writer)
    assert outcome.status == 1, outcome
    assert all(outcome.seconds_since(c) < pod.LATE_S for c in server.connections)


def test_piped_output_has_no_escapes():
    outcome = run(format="human")
    assert outcome.status == 0, outcome
    assert "\x1b" not in outcome.stdout + outcome.stderr and "\r" not in outcome.stdout + outcome.stderr


# --- the saved result ------------------------------------------------------------------------


def test_N91_what_a_result_holds():
    outcome = run()
    assert outcome.status == 0, outcome
    r = outcome.result
    assert r["download"]["flow"] == r["upload"]["flow"] == "host_1_0A"
    assert r["server"]["ip"] == "127.0.0.1" and r["server"]["url"].startswith("ws://127.0.0.1:")
    assert r["client_ip"] == "127.0.0.1" and r["scheme"] == "ws" and r["scheme_reason"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r["started_at"])
    assert r["download"]["ending"] == r["upload"]["ending"] == "close"
    assert r["download"]["min_rtt_ms"] == 12.345 and r["download"]["retransmit_percent"] == 1


def test_H7_the_loop_that_was_asked_for():
    asked = os.environ.get("RADAR_POD_TEST_IO")
    agent = run(measured, "--download").result["agent"]
    assert agent["io"] == (asked or ("io_uring" if pod.kernel_has_io_uring() else "epoll")), agent


def test_N91_printed_and_saved_say_the_same():
    """The same figures whatever the format: those of the upload and the latency are the script's own."""
    human = run(format="human").stdout
    for figure in (r"10\.0 Mbit/s", r"14\.2 ms", r"1\.00 %", r"2\.50 MB in 2\.0 s"):
        assert re.search(figure, human), human
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "result.json"
        outcome = run(measured, "--output", str(saved))
        assert outcome.status == 0 and not outcome.stdout, outcome
        result = json.loads(saved.read_text())
        assert os.listdir(folder) == ["result.json"]
    assert result["upload"]["goodput_mbps"] == 10
    assert result["download"]["rtt_ms"]["p90"] == pytest.approx(14.2, rel=0.02)
    assert result["download"]["retransmit_percent"] == 1


@contextlib.contextmanager
def small_disk(*options: str) -> Iterator[Path]:
    """A file system of its own, of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(["size=64k", *options]), "tmpfs", folder],
                                 capture_output=True, text=True)  # fmt: skip
        if mounted.returncode != 0:
            pytest.skip(f"no file system can be mounted: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def check_unwritable(folder: Path, name: str, words: str) -> None:
    """Said at once, before anything is measured; what was there is there still, and nothing else."""
    before = {p: p.stat().st_size for p in folder.iterdir()}
    with Server(measured) as server:
        outcome = pod.test("--server", server.url(), "--output", str(folder / name))
    assert outcome.status == 1, outcome
    assert re.search(words, outcome.stderr, re.IGNORECASE) and name in outcome.stderr, outcome
    assert {p: p.stat().st_size for p in folder.iterdir()} == before
    assert not server.connections, "it measured what it could not keep"


def test_output_to_a_full_disk():
    with small_disk() as folder:
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        check_unwritable(folder, "result.json", "no space")


def test_output_to_a_full_disk_keeps_the_old_file():
    with small_disk() as folder:
        (folder / "result.json").write_text("the old one")
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        check_unwritable(folder, "result.json", "no space")
        assert (folder / "result.json").read_text() == "the old one"


def test_output_to_a_read_only_disk():
    with small_disk("ro") as folder:
        check_unwritable(folder, "result.json", "read-only")


def test_output_that_cannot_be():
    with tempfile.TemporaryDirectory() as folder:
        check_unwritable(Path(folder), "nowhere/result.json", "no such file")
        (Path(folder) / "folder").mkdir()
        check_unwritable(Path(folder), "folder", "directory")
        (Path(folder) / "file").touch()
        check_unwritable(Path(folder), "file/result.json", "not a directory")


def test_output_of_a_failed_test():
    """The result says that nothing was measured; the file is whole."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(refuse(404), "--output", f"{folder}/result.json")
        assert outcome.status == 1, outcome
        assert json.loads(Path(folder, "result.json").read_text())["download"] is None


# --- Ctrl-C ----------------------------------------------------------------------------------


def endless(c: Connection) -> None:
    """Until the client says Close, which is answered. Its first pong says that it has test data."""
    c.upgrade()
    c.binary(8192)
    c.ping()
    while not c.of(wire.CLOSE):
        c.binary(8192)
        c.watch(0.05)
    c.frame(wire.CLOSE, c.of(wire.CLOSE)[0].payload)


def interrupted(script: Script, number: int, *args: str, **how: Any) -> pod.Outcome:
    """A test that gets this signal when test data has come, or half a second after its server was reached."""
    with Server(script) as server:
        running = pod.start("--server", server.url(), *args, **how)
        wait_for(lambda: bool(server.connections))
        if script is endless:
            wait_for(lambda: bool(server.only.of(wire.PONG)))
        time.sleep(0.5)
        running.interrupt(number)
        asked = time.monotonic()
        outcome = running.finish()
        assert outcome.ended_at - asked < pod.LATE_S
    return outcome


def wait_for(what: Callable[[], bool], within: float = 20.0) -> None:
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle(number: int):
    outcome = interrupted(endless, number)
    assert outcome.status == 1, outcome
    assert outcome.result["interrupted"] is True
    assert outcome.download["bytes"] > 0 and outcome.download["ending"] == "stop"
    assert not outcome.download["complete"]
    assert outcome.result["upload"] is None
    assert outcome.warned("interrupted")


def test_interrupted_with_a_file_for_the_result():
    with tempfile.TemporaryDirectory() as folder:
        outcome = interrupted(endless, signal.SIGINT, "--output", f"{folder}/result.json")
        assert outcome.status == 1, outcome
        assert os.listdir(folder) in (["result.json"], [])
        if os.listdir(folder):
            assert json.loads(Path(folder, "result.json").read_text())["interrupted"]


@pytest.mark.parametrize("phase", ["connecting", "upgrading", "deaf"])
def test_interrupted_before_and_against_a_deaf_server(phase: str):
    def deaf(c: Connection) -> None:
        if phase != "connecting":
            c.read_request()
        if phase == "deaf":
            c.upgrade()
        c.pause(30)

    outcome = interrupted(deaf, signal.SIGINT)
    assert outcome.status == 1, outcome


def test_killed_in_the_middle_leaves_nothing():
    with tempfile.TemporaryDirectory() as folder, Server(endless) as server:
        argv = [str(pod.binary()), "test", "--server", server.url(), "--output", f"{folder}/result.json"]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: bool(server.connections))
        time.sleep(0.3)
        process.kill()
        process.wait()
        assert os.listdir(folder) == []


def test_a_terminal_is_left_as_it_was():
    """Live progress on a terminal of 80 columns: no line is longer, the cursor comes back."""
    parent, child = pty.openpty()
    os.set_inheritable(child, True)
    with Server(by_test(endless, upload)) as server:
        argv = [str(pod.binary()), "test", "--server", server.url(), "--download"]
        env = {n: os.environ[n] for n in os.environ if n != "PYTEST_CURRENT_TEST"}  # which pytest sets and deletes
        env |= {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        process = subprocess.Popen(argv, stdin=child, stdout=child, stderr=child, env=env)
        os.close(child)
        wait_for(lambda: bool(server.connections) and bool(server.only.of(wire.PONG)))
        text, told = b"", False
        with contextlib.suppress(OSError):
            while piece := os.read(parent, 65536):
                text += piece
                if b"Mbit/s" in text and not told:
                    process.send_signal(signal.SIGINT)
                    told = True
        os.close(parent)
        assert process.wait(timeout=20) == 1
    said = text.decode()
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said))
    assert max(map(len, lines)) <= 80, lines
    assert said.count("\x1b[?25l") <= said.count("\x1b[?25h"), "the cursor stays hidden"
    assert "Mbit/s" in said, "nothing was shown while it ran"
