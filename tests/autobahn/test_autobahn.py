"""Bar H1: the WebSocket codec, on the program's own loop, under the Autobahn test suite's cases."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
CASES_MIN = 240
GOOD = {("OK", "OK"), ("INFORMATIONAL", "INFORMATIONAL")}  # of the latter RFC 6455 says nothing
COMPLAINTS = ("Sanitizer", "runtime error:", "autobahn_echo:")


def cache() -> Path:
    """Where tests/peers/build keeps what it has fetched, too."""
    given = os.environ.get("RADAR_POD_PEERS_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given) if given else Path(home) / "radar-pod-peers"


def install(to: Path) -> None:
    r = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--only-binary", ":all:", "--require-hashes", "--target", to, "-r", REQUIREMENTS],
        capture_output=True, text=True,
    )  # fmt: skip
    if r.returncode == 0:
        return
    assert "HASHES" not in r.stderr, r.stderr
    said = r.stderr.strip().splitlines() or ["pip says nothing"]
    cause = next((line for line in said if "onnection" in line), said[-1])
    pytest.skip(f"Autobahn's cases cannot be installed: {cause}")


@pytest.fixture(scope="session")
def suite() -> Path:
    """The folder that holds the pinned suite; fetched once."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + platform.machine().encode()).hexdigest()[:16]
    folder = cache() / f"autobahn-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "lock.autobahn", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once fetch once
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as stage:
                install(Path(stage) / "suite")
                shutil.move(Path(stage) / "suite", folder)
    return folder


def echo() -> str:
    program = os.environ.get("AUTOBAHN_ECHO")
    if not program:
        pytest.skip("AUTOBAHN_ECHO does not name the built tests/autobahn/echo.c")
    return program


@contextlib.contextmanager
def serving() -> Iterator[str]:
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen([echo(), "serve"], stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield f"ws://127.0.0.1:{server.stdout.readline().strip()}"
            assert server.poll() is None, "the server is gone"
        finally:
            server.terminate()
            server.wait(timeout=10)
            server.stdout.close()
            errors.seek(0)
            check_complaints(errors.read())


def check_complaints(said: str) -> None:
    assert not any(c in said for c in COMPLAINTS), said


def run(suite: Path, *words: str) -> list[dict[str, Any]]:
    r = subprocess.run([sys.executable, HERE / "run_cases.py", *words], capture_output=True, text=True, timeout=240,
                       env=os.environ | {"PYTHONPATH": str(suite)})  # fmt: skip
    assert r.returncode == 0, r.stderr
    check_complaints(r.stderr)
    return [json.loads(line) for line in r.stdout.splitlines()]


def check(results: list[dict[str, Any]]) -> None:
    bad = [r for r in results if (r["behavior"], r["close"]) not in GOOD]
    assert not bad, "\n".join(map(str, bad))
    assert len(results) >= CASES_MIN, f"only {len(results)} cases ran"


def test_H1_our_client(suite: Path):
    check(run(suite, "client", echo(), "dial"))


def test_H1_our_server(suite: Path):
    with serving() as url:
        check(run(suite, "server", url))
