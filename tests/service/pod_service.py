"""The whole pod service, and a network of its own for who wants one.

    with PodService() as service:
        service.cable       the socket, as in fake_cable.py
        service.fail("socket", …), service.measurements, …       all else, as in fake_service.py
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from fake_cable import POD, SECRET, Connection, Socket
from fake_service import FakeService
from http1 import Request

CLONE_NEWNET = 0x40000000


class PodService(FakeService):
    """One pod is known to it. A test that it wants it asks for in each answer to a heartbeat, and behind each sync."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(tls, PodService.upgrade, host)  # type: ignore[arg-type]
        self.cable = Socket(self._loop)
        self.pod = self.add_pod(POD, SECRET)
        self.asked_on: list[str | None] | None = None
        self.cable.on_sync = self.wanted

    async def upgrade(self, q: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.cable.serve(Connection(time.monotonic(), q.target, q.headers, writer), reader)

    def wanted(self) -> dict[str, Any] | None:
        """What it says behind a sync, which may come after ask() has said the same."""
        asks = {"type": "run_test", "message": {"interfaces": self.asked_on}}
        return asks if self.pod.test_requested else None

    def ask(self, *interfaces: str | None) -> None:
        """For a test, over the socket, as often as it is called; of no interface: on the default one."""
        self.asked_on = list(interfaces) or None
        self.pod.test_requested = True
        self.cable.broadcast("test_requested", {"interfaces": self.asked_on})


def in_own_network(test: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the test in a thread whose network has nothing but loopback, a line where the kernel has one, where that may
    be made: what it starts, and the threads that it makes, are in there too. Else where it is."""
    from line import live_on_a_line
    from namespace import bring_loopback_up

    @functools.wraps(test)
    def alone(**fixtures: Any) -> Any:
        failure: list[BaseException] = []
        answer: list[Any] = []

        def run() -> None:
            try:
                if live_on_a_line() and ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
                    bring_loopback_up()
                answer.append(test(**fixtures))
            except BaseException as why:  # pytest's skip is none of Exception
                failure.append(why)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return answer[0]

    return alone
