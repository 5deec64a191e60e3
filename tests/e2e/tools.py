"""Python packages that docs/traces.md shows a trace to and Debian does not have: pinned in tools.txt, kept where
tests/peers/build keeps what it has fetched."""

import fcntl
import functools
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import pytest

PINNED = pathlib.Path(__file__).resolve().parent / "tools.txt"
WHEELS_FOR = ("3.11", ("x86_64", "aarch64"))


def cache():
    given = os.environ.get("RADAR_POD_PEERS_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(given) if given else pathlib.Path(home) / "radar-pod-peers"


@functools.cache
def environment():
    """What a Python that has them runs with. Skips where they cannot be fetched; a wrong hash is a failure."""
    version, machines = WHEELS_FOR
    if "{}.{}".format(*sys.version_info[:2]) != version or platform.machine() not in machines:
        pytest.skip(f"the pinned wheels are for Python {version} on {' and '.join(machines)}")
    key = hashlib.sha256(PINNED.read_bytes() + platform.machine().encode()).hexdigest()[:16]
    folder = cache() / f"tools-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "lock.tools", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX) # two runs at once fetch once
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as stage:
                install(pathlib.Path(stage) / "tools")
                shutil.move(pathlib.Path(stage) / "tools", folder)
    return {**os.environ, "PYTHONPATH": str(folder)}


def install(to):
    r = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--retries", "1", "--timeout", "20", "--only-binary", ":all:", "--require-hashes", "--target",
                        to, "-r", PINNED], capture_output=True, text=True)
    if r.returncode == 0:
        return
    if "HASHES" in r.stderr:
        pytest.fail(r.stderr)
    said = r.stderr.strip().splitlines() or ["pip says nothing"]
    cause = next((line for line in said if "onnection" in line), said[-1])
    pytest.skip(f"they cannot be installed: {cause}")
