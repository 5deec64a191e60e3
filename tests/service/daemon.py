"""The real daemon, on directories of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RADAR_POD = os.environ.get("RADAR_POD", "build/release/agent/radar-pod")


# How much later than its clock says the daemon may be seen to do a thing where the machine is full. What the contract
# asks to the second is shown in virtual time (cable_state_test, heartbeat_test); here the real daemon is never early,
# and not as late as one that waits for another of its deadlines.
LATE_S = 5.0
IN_VAIN_S = 60.0  # ends a wait for what never comes


def eventually(what: Callable[[], Any], within_s: float = IN_VAIN_S, every_s: float = 0.02) -> Any:
    """The first value of what() that is true; fails after within_s."""
    end = time.monotonic() + within_s
    while True:
        value = what()
        if value or time.monotonic() > end:
            assert value, f"not within {within_s} s"
            return value
        time.sleep(every_s)


def children_of(pid: int, role: str) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # over since
            if role.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                found.append(int(child))
    return found


class Daemon:
    """One pod that shares its service with nobody, unless it is given another fleet_spread."""

    def __init__(self, folder: Path, url: str, pod: str = "", secret: str = "", **keys: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.conf"
        self.state = folder / "state"
        self.log = folder / "log"
        keys.setdefault("locate_url", "http://127.0.0.1:1/")  # a test that is asked for stays on this machine
        lines = {"server_url": url, "client_id": pod, "secret": secret, "fleet_spread": "0", **keys}
        self.config.write_text("".join(f"{k}={v}\n" for k, v in lines.items() if v != ""))
        self.process: subprocess.Popen[bytes] | None = None
        self.is_traced = False

    def start(self, words: tuple[str, ...] = (), before: tuple[str, ...] = (), **environment: str) -> Daemon:
        """`before`: words in front of the program, of one that becomes it, or of strace, whose child it is."""
        words = words or ("agent", "-c", str(self.config), "--state-dir", str(self.state), "--verbose")
        self.started = time.monotonic()
        self.is_traced = bool(before) and before[0].endswith("strace")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, RADAR_POD, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self.folder), **environment},
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def is_alive(self) -> bool:
        assert self.process
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self, within_s: float = IN_VAIN_S) -> tuple[int, float]:
        """Exit code, and how long it took."""
        assert self.process
        before = time.monotonic()
        if self.is_alive():
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return code, time.monotonic() - before

    def kill(self) -> None:
        if self.process and self.is_alive():
            mine = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            traced = mine.read_text().split() if self.is_traced else []
            self.process.kill()
            self.process.wait()
            for daemon in traced:  # a tracer that is killed lets it go
                os.kill(int(daemon), signal.SIGKILL)

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [RADAR_POD, "status", "--json", "--state-dir", str(self.state)], capture_output=True, timeout=IN_VAIN_S
        )
        assert done.returncode == 0, done.stderr
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    def _of_process(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"no {name}")

    def resident_kb(self) -> int:
        return self._of_process("VmRSS")

    def anonymous_kb(self) -> int:
        """Of that, what is no file's: those pages it gives up every ten minutes, and reads again as it needs them."""
        return self._of_process("RssAnon")

    def peak_kb(self) -> int:
        return self._of_process("VmHWM")

    def wakeups(self) -> int:
        """How often it has waited for something, since its start."""
        return self._of_process("voluntary_ctxt_switches")
