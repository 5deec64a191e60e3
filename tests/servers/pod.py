"""Runs radar-pod and reads what it says. No test here reaches further than this machine."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

import peers  # noqa: E402
import certificates  # noqa: E402
import folders  # noqa: E402
import scripted  # noqa: E402

# Loopback, and what only a namespace of test_network.py can reach.
HERE_ONLY = {"127.0.0.1", "::1", "localhost", "10.99.0.1", "name.invalid", "192.0.2.1"}
RUN_LIMIT_S = 45.0
SAMPLE_S = 0.02
# How much later than its clock says a program may be seen to do a thing where the machine is full. The bounds of the
# contract, to the millisecond, are the unit tests' in virtual time; here the real program is never early, and not as
# late as one that forgot its deadline, doubled it or waited for the next one.
LATE_S = 4.0
COMPLAINT = re.compile(r"Sanitizer|runtime error:|Assertion|core dumped")


@functools.cache
def binary() -> Path:
    try:
        return peers.radar_pod()
    except peers.Unavailable as missing:
        pytest.skip(str(missing))


@functools.cache
def sanitized() -> bool:
    """Built with a sanitizer: then its memory is not its own, and nothing is as fast."""
    program = binary().read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


@dataclass(repr=False)
class Outcome:
    """What one run of `radar-pod test` said."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    peak_bytes: int  # VmHWM, the last that was seen
    ended_at: float  # time.monotonic()

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        """--format json"""
        assert self.stdout, f"no result\n{self}"
        return json.loads(self.stdout)

    @functools.cached_property
    def events(self) -> list[dict[str, Any]]:
        """--format jsonl"""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def download(self) -> dict[str, Any]:
        assert self.result["download"], self
        return self.result["download"]

    @property
    def upload(self) -> dict[str, Any]:
        assert self.result["upload"], self
        return self.result["upload"]

    def warned(self, words: str) -> bool:
        """Among the result's warnings is one with these words (a regular expression)."""
        return any(re.search(words, w, re.IGNORECASE) for w in self.result["warnings"])

    def seconds_since(self, connection: scripted.Connection) -> float:
        """From a peer's connection to the end of the program. What is before it, starting a process and loading
        BPF programs, takes seconds where many do so at once, and has no bound in the contract.

        Of what the client's clock has run for by then this is at least as much: it begins behind the connection."""
        return self.ended_at - connection.began

    def check_figures(self) -> None:
        """No figure of ours is negative; none is NaN or infinite, which strict JSON cannot hold."""
        result = json.loads(self.stdout, parse_constant=lambda name: pytest.fail(f"{name} in the result\n{self}"))
        for test in ("download", "upload"):
            for name, value in (result[test] or {}).items():
                assert not isinstance(value, (int, float)) or value >= 0, f"{test}.{name} = {value}\n{self}"

    def __repr__(self) -> str:
        return f"status {self.status} after {self.seconds:.2f} s\n{self.stderr}\n{self.stdout[-3000:]}"


class Running:
    """A radar-pod that runs; its peak memory is looked at while it does."""

    def __init__(self, argv: list[str], env: dict[str, str], **how: Any):
        self.began = time.monotonic()
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        self.process = subprocess.Popen(argv, env=env, text=True, errors="replace", **how)
        self.peak_bytes = 0
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while self.process.returncode is None:
            self.peak_bytes = max(self.peak_bytes, memory_bytes(self.process.pid, "VmHWM"))
            time.sleep(SAMPLE_S)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def finish(self, limit_s: float = RUN_LIMIT_S) -> Outcome:
        try:
            out, err = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"it hangs: still there after {limit_s:g} s\n{err}\n{out}")
        ended_at = time.monotonic()
        self._watcher.join()
        outcome = Outcome(
            self.process.returncode, out or "", err or "", ended_at - self.began, self.peak_bytes, ended_at
        )
        assert outcome.status >= 0, f"it was killed by {signal.Signals(-outcome.status).name}\n{outcome}"
        assert not COMPLAINT.search(outcome.stderr), outcome
        return outcome


def io_words() -> list[str]:
    """H7: the whole suite on another loop."""
    asked = os.environ.get("RADAR_POD_TEST_IO")
    return ["--io", asked] if asked else []


def stats_words() -> list[str]:
    """Loading BPF programs takes the kernel 0.1 s, one process after the other: not where time is looked at."""
    asked = os.environ.get("RADAR_POD_TEST_STATS")
    return ["--stats", asked] if asked else []


IO_URING_SETUP, SINGLE_ISSUER = 425, 1 << 12  # the flag came with 6.0, as did all that the loop wants


@functools.cache
def kernel_has_io_uring() -> bool:
    """By its own word, so that a program which does not use it where it could is found out."""
    params = (ctypes.c_uint32 * 30)(0, 0, SINGLE_ISSUER)  # struct io_uring_params
    fd = ctypes.CDLL(None).syscall(IO_URING_SETUP, 4, ctypes.byref(params))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def memory_bytes(pid: int, name: str = "VmRSS") -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name + ":")).split()[1]) * 1024
    return 0


def start(
    *args: Any, format: str | None = "json", env: dict[str, str] | None = None, prefix: Any = (), **how: Any
) -> Running:
    """Starts `radar-pod test`; `prefix` are words in front of it, such as ip netns exec."""
    words = [str(a) for a in args]
    if "unshare" not in prefix:  # a network of its own has no way out
        check_stays_here(words)
    if format:
        words += ["--format", format]
    argv = [*map(str, prefix), str(binary()), "test", *words, *io_words(), *stats_words()]
    return Running(argv, peers.environment(**(env or {})), **how)


def test(*args: Any, limit_s: float = RUN_LIMIT_S, **how: Any) -> Outcome:
    """`radar-pod test` with these options, from begin to end."""
    return start(*args, **how).finish(limit_s)


test.__test__ = False  # pytest: not one of its own


def against(
    script: scripted.Script, *args: Any, path: str = "", how: dict[str, Any] | None = None, **server: Any
) -> tuple[scripted.Server, Outcome]:
    """`radar-pod test` against one scripted server: what the server saw and what the program said."""
    with scripted.Server(script, **server) as s:
        if s.tls:
            args = (*args, "--ca-file", certificates.authority())
        outcome = test("--server", s.url(path), *args, **(how or {}))
    return s, outcome


def check_stays_here(words: list[str]) -> None:
    """N81: without a server of ours the program would ask the public locate service."""
    given = [words[i + 1] for i, w in enumerate(words[:-1]) if w in ("--server", "--locate-url")]
    given += [w.split("=", 1)[1] for w in words if w.startswith(("--server=", "--locate-url="))]
    assert given, f"no --server and no --locate-url among {words}"
    for address in given:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
        assert host in HERE_ONLY, f"{address} is not of this machine"


# --- our server ------------------------------------------------------------------------------


@contextlib.contextmanager
def own_serve() -> Iterator[peers.Server]:
    """A `radar-pod serve`, for one test alone; it makes its own certificate."""
    with folders.folder("serve") as folder:
        with peers.radar_pod_serve(binary(), folder, None, *io_words()) as server:
            yield server
        check_end(server)


def check_end(server: peers.Server) -> None:
    """It ended when it was told to, or by the second signal, and no sanitizer has reported."""
    status, log = server.process.returncode, server.log()
    assert status in (0, -signal.SIGTERM) and not COMPLAINT.search(log), f"serve: status {status}\n{log[-5000:]}"


shared = contextlib.ExitStack()  # closed when the session ends
sharing = threading.Lock()


@functools.cache
def _serve() -> peers.Server:
    return shared.enter_context(own_serve())


def serve() -> peers.Server:
    """One `radar-pod serve` for all tests of a session."""
    with sharing:
        return _serve()
