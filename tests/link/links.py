"""The link program as tests use it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = os.environ.get("RADAR_POD_LINK", str(ROOT / "build/dev/bench/link/radar-pod-link"))
POD = os.environ.get("RADAR_POD", str(ROOT / "build/dev/agent/radar-pod"))
LINKS = ROOT / "bench" / "links"

sys.path.insert(0, str(ROOT / "bench"))
import linktruth  # noqa: E402

HERE = Path(__file__).resolve().parent

DONE, NOT_DONE, USAGE, BAD_FILE, CANNOT_HERE = 0, 1, 2, 4, 5
CANNOT_RUN, NO_COMMAND = 126, 127

# Whoever runs the tests behind a shell's "&" has it ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where what is held to is exact however late a packet is, the processors are left to other tests.
DOZE = ["--doze"]

# What a machine that is busy with other things does to any emulator; no fault of ours.
LATE = re.compile(r"void: (down|up): .* late by ")


@dataclass
class Run:
    """What came of one."""

    status: int
    out: str
    err: str
    end: dict[str, Any] | None = None
    truth: linktruth.Truth | None = None

    @property
    def late(self) -> bool:
        return LATE.search(self.err) is not None

    def done(self) -> Run:
        """The command did well, and the link too, but for lateness."""
        assert self.status == DONE or (self.status == NOT_DONE and self.late), self.err + self.out
        return self


def link(*words: str, **more: Any) -> Run:
    more.setdefault("timeout", 60)
    more.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([LINK, *map(str, words)], capture_output=True, text=True, **more)
    return Run(done.returncode, done.stdout, done.stderr)


def start(*words, **more):
    return subprocess.Popen([LINK, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True, **more)


def wait_until(what, seconds=60):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.02)


def children(pid):
    """Names by number."""
    lines = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return {int(number): name for number, name in (line.split() for line in lines.splitlines())}


def on_a_small_disk(tmp_path, line):
    """A shell's line with a disk of 64 kB at `disk`: some tenths of a second of truth."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=64k none {disk} && {line}"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)


def scenario(name: str) -> Path:
    return LINKS / f"{name}.link"


FIBRE = scenario("fibre")


def across(path: Path | str, folder: Path, command: list[str], server: str | None = None,
           options: list[str] | None = None) -> Run:
    """A command across a link, with its truth, whose accounts must balance."""
    file = folder / "truth.jsonl"
    words = [str(path), "--truth", str(file), *(options or [])]
    words += ["--server", server] if server else []
    run = link(*words, "--", *command)
    assert file.exists(), run.err
    run.truth = linktruth.read(file)
    run.end = run.truth.end
    check_accounts(run.end)
    return run


def check_accounts(end: dict[str, Any]) -> None:
    """Every packet and byte that came is somewhere."""
    for direction in ("down", "up"):
        for unit in ("packets", "bytes"):
            d = end[direction]
            went = d["delivered"][unit] + d["queued"][unit] + d["in_flight"][unit]
            went += sum(drop[unit] for drop in d["dropped"].values())
            assert d["offered"][unit] + d["copies"][unit] == went, (direction, unit, d)
    assert end["device_drops_packets"] == end["receiver_drops_packets"] == 0


def leftovers(name: str) -> list[str]:
    """What stands under a link's name."""
    there = [f"/run/netns/link-{name}-client", f"/run/netns/link-{name}-server", f"/run/radar-pod-link/{name}"]
    return [path for path in there if os.path.exists(path)]


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def why_not() -> str | None:
    """The reason why no link can be laid here."""
    run = link(str(LINKS / "fibre.link"), "--quiet", "--", "true")
    return run.err.strip() if run.status == CANNOT_HERE else None


@contextlib.contextmanager
def up(name: str, path: Path, *options: str, **more: Any):
    """A link for longer; taken down by the test, or here."""
    run = link("up", name, str(path), *options, **more)
    assert run.status == DONE, run.err
    try:
        yield
    finally:
        if leftovers(name):
            link("down", name)


def host_network() -> str:
    """Devices (without their counters), addresses, routes and rules of ours."""
    words = [["link"], ["addr"], ["-4", "route", "show", "table", "all"], ["-6", "route", "show", "table", "all"],
             ["rule"]]
    return "".join(subprocess.run(["ip", *w], capture_output=True, text=True, check=True).stdout for w in words)


def ping_rtts_ms(text: str) -> list[float]:
    return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", text)]


def iperf_bytes(text: str) -> tuple[int, int]:
    """Sent and received, as iperf3 has them."""
    end = json.loads(text)["end"]
    return int(end["sum_sent"]["bytes"]), int(end["sum_received"]["bytes"])


possible_here = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
