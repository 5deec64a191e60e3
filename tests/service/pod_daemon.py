"""A pod as a whole: the real daemon, a service that knows it, and servers for its tests."""

from __future__ import annotations

import contextlib
import json
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakes
import scripted
from daemon import Daemon, eventually
from fake_cable import POD, SECRET
from pod_service import PodService

OOKLA = {
    "type": "result", "ping": {"jitter": 0.6, "latency": 9.2}, "result": {"id": "6f7b0c1e"},
    "download": {"bandwidth": 23400000, "bytes": 251000000}, "upload": {"bandwidth": 2600000, "bytes": 20900000},
}  # fmt: skip
OOKLA_SAYS = f"echo '{json.dumps(OOKLA)}'"
Make = Callable[..., "Pod"]


class Pod(Daemon):
    """Its ndt7 tests take half a second, against a scripted server; Ookla's are a script that notes that it ran."""

    def __init__(self, folder: Path, service: PodService, ndt7: scripted.Script, ookla: str, **keys: Any) -> None:
        self.ndt7 = scripted.Server(ndt7, host=service.host)
        self.locate = scripted.Server(fakes.locate(fakes.listing(fakes.target(self.ndt7))), host=service.host)
        script = folder / "ookla"
        folder.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\necho $$ >>{folder}/ran\n{ookla}\n")
        script.chmod(stat.S_IRWXU)
        keys = {"locate_url": fakes.locate_url(self.locate), "scheme": "ws", "min_test_spacing": "0s", "ping_freq": 1,
                "ookla_binary": script, "ookla_accept_license": "on"} | keys  # fmt: skip
        super().__init__(folder, service.url, POD, SECRET, **keys)

    def up(self, **environment: str) -> Pod:
        """Started, and it answers."""
        self.start(**environment)
        eventually(lambda: (self.state / "status.sock").exists() and self._answers())
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(AssertionError):
            return bool(self.status())
        return False

    def ookla_runs(self) -> int:
        ran = self.folder / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def set(self, **keys: Any) -> None:
        """Changes the configuration, and has it read."""
        lines = [line for line in self.config.read_text().splitlines() if line.partition("=")[0] not in keys]
        self.config.write_text("\n".join([*lines, *(f"{k}={v}" for k, v in keys.items())]) + "\n")
        self.signal(signal.SIGHUP)


@contextlib.contextmanager
def pods(folder: Path, service: PodService) -> Iterator[Make]:
    made: list[Pod] = []
    with contextlib.ExitStack() as stack:

        def make(ndt7: scripted.Script = fakes.both, ookla: str = OOKLA_SAYS, **keys: Any) -> Pod:
            p = Pod(folder / f"pod{len(made)}", service, ndt7, ookla, **keys)
            stack.enter_context(p.ndt7)
            stack.enter_context(p.locate)
            made.append(p)
            return p

        try:
            yield make
        finally:
            for p in made:
                p.kill()
                print(f"--- {p.folder.name}\n{p.said() if p.log.exists() else ''}")
