"""Runs one measurement client to its end: what it says, line by line as it says it, and what it cost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import peers  # noqa: E402

Json = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """One run of one client."""

    text: str
    heard_ns: list[tuple[int, str]]  # CLOCK_MONOTONIC, a line of its standard output
    cpu_s: float  # user and system time, children that it waited for among it
    wall_s: float
    rss_kb: int


@dataclass(frozen=True)
class Outcome:
    """Of a run that moved so many bytes."""

    bytes: int
    cpu_s: float
    wall_s: float
    rss_kb: int

    @property
    def cpu_s_per_gb(self) -> float:
        return self.cpu_s / (self.bytes / 1e9)

    @property
    def mbps(self) -> float:
        return 8e-6 * self.bytes / self.wall_s


def outcome(done: Done, payload_bytes: int) -> Outcome:
    return Outcome(payload_bytes, done.cpu_s, done.wall_s, done.rss_kb)


def high_water_kb(pid: int, stop: threading.Event, seen: list[int]) -> None:
    """The peak so far, again and again: the last reading before the end is the peak."""
    while not stop.wait(0.1):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    seen[0] = int(line.split()[1])


def run(argv: list[str]) -> Done:
    """To its end, which has to be a good one."""
    seen, stop = [0], threading.Event()
    heard: list[tuple[int, str]] = []
    with tempfile.TemporaryFile("w+") as errors:
        began = time.monotonic()
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True)
        watcher = threading.Thread(target=high_water_kb, args=(child.pid, stop, seen))
        watcher.start()
        try:
            for line in child.stdout:
                heard.append((time.monotonic_ns(), line))
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            wall_s = time.monotonic() - began
        finally: # also when interrupted: nothing of it stays behind
            if child.returncode is None:
                child.kill()
            stop.set()
            watcher.join()
        errors.seek(0)
        said = errors.read()
    text = "".join(line for _, line in heard)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: exit {child.returncode}\n{said}{text}")
    return Done(text, heard, used.ru_utime + used.ru_stime, wall_s, seen[0])


# --- what each of them says -------------------------------------------------------------------------


def our_payload(text: str, test: str) -> int:
    """The bytes our client moved itself: for an upload not those the server had seen in its last text."""
    return int(json.loads(text)[test]["client"]["bytes"])


def go_measurements(text: str, test: str, origin: str) -> list[Json]:
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    values = [e["Value"] for e in events if e.get("Key") == "measurement"]
    return [v for v in values if v.get("Origin") == origin and v["Test"] == test]


def go_payload(text: str, test: str) -> int:
    return max(int(v["AppInfo"]["NumBytes"]) for v in go_measurements(text, test, "client"))


def iperf_payload(text: str) -> int:
    """As the receiver has it."""
    return int(json.loads(text)["end"]["sum_received"]["bytes"])


# --- how each of them is called ----------------------------------------------------------------------


def our_words(radar_pod: Path, server: str, scheme: str, test: str, *more: str) -> list[str]:
    return [str(radar_pod), "test", "--server", server, "--scheme", scheme, f"--{test}", "--format", "json",
            "--no-store", *more]


def go_words(binary: Path, server: str, scheme: str, test: str) -> list[str]:
    other = "upload" if test == "download" else "download"
    return [str(binary), "-server", server, "-scheme", scheme, "-no-verify", "-format", "json", f"-{other}=false"]


def iperf_words(host: str, port: int, seconds: int, test: str) -> list[str]:
    reverse = ["-R"] if test == "download" else []
    return ["iperf3", "-c", host, "-p", str(port), "-t", str(seconds), "-J", *reverse]


@contextlib.contextmanager
def iperf_server(folder: Path) -> Iterator[int]:
    """On loopback; its port."""
    port = peers.free_ports(1)[0]
    with peers.running(["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)], folder) as server:
        peers.wait_until(lambda: "listening" in server.log().lower() or time.sleep(0.3) is None, 5, "iperf3")
        yield port
