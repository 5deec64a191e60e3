"""Bar M1: tests one after the other, each delivered, in one process with the daemon's runner, store, uploader and courier; the
tests are radar-pod's own, against its own server, of 200 kB each way. POD_NIGHTLY=1 runs 1,000, else 100.

Memory at most 1 % more than once all that is kept for good is there, which takes 75 tests: SQLite's pages; descriptors, threads, files
and, where the kernel tells of them, BPF objects as before. What else loads BPF programs on this machine meanwhile
would be taken for ours: whoever runs a thousand runs nothing beside them, and of a hundred that is not asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import peers
import pytest
from test_delivery import DELIVERY, Service

NIGHT = bool(os.environ.get("POD_NIGHTLY"))
SANITIZED = "RADAR_POD_SANITIZED" in os.environ  # which has memory of its own, and takes seconds to load BPF
TESTS, SETTLED = (1000, 100) if NIGHT else (20, 10) if SANITIZED else (100, 50)


@pytest.fixture
def locate() -> Iterator[str]:
    """A server that is its own locate service."""
    try:
        program = peers.radar_pod()
    except peers.Unavailable as missing:
        pytest.skip(str(missing))
    server = subprocess.Popen([program, "serve", "--listen", "127.0.0.1", "--ws", "0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    address = re.search(r"ws://(\S+)", server.stdout.readline())
    assert address
    yield f"http://{address[1]}/v2/nearest/ndt/ndt7"
    server.kill()
    server.wait()


def bpf_objects() -> dict[str, int]:
    """How many there are on this machine; none where it cannot be told."""
    tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    found = {}
    for kind in ("prog", "map", "link"):
        try:
            said = subprocess.run([tool, kind, "list"], capture_output=True, text=True)
        except OSError:
            return {}
        if said.returncode == 0:
            found[kind] = len(re.findall(r"^\d+: ", said.stdout, re.M))
    return found


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_M1_nothing_grows(tmp_path: Path, locate: str) -> None:
    program, temporary, state = tmp_path / "program", tmp_path / "tmp", tmp_path / "state"
    temporary.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{peers.radar_pod()}" "$@" --scheme ws --max-bytes 200kB\n')
    program.chmod(0o700)
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"TMPDIR": str(temporary)}
    before = bpf_objects()
    with Service() as service:
        done = subprocess.run([DELIVERY, state, service.url, program, str(TESTS), "each", locate], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=environment, timeout=60 + TESTS * 30)
        taken = dict(service.taken)
    assert done.returncode == 0, done.stderr[-4000:]
    stored = re.findall(r"^stored (\S+)$", done.stdout, re.M)
    assert len(stored) == TESTS == len(set(stored)) and taken == {one: 1 for one in stored}
    costs = [tuple(map(int, row)) for row in re.findall(r"^cost (\d+) (\d+) (\d+)$", done.stdout, re.M)]
    assert len(costs) == TESTS + 1
    settled, last = costs[SETTLED], costs[-1]
    print(f"resident KiB, descriptors, threads: {settled} after {SETTLED} tests, {last} after {TESTS}")
    assert last[1:] == settled[1:]
    assert SANITIZED or last[0] <= settled[0] * 1.01
    assert not files_below(temporary), "left behind"
    assert all(name.startswith("store.db") or name == "lock" for name in files_below(state)), files_below(state)
    if NIGHT:
        assert bpf_objects() == before
