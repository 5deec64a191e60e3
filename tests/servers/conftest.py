"""Tests that spend their time waiting run at once.

A test of a deadline waits seven seconds and does nothing. Every test marked `at_once` is started in a
thread of its own as soon as one of them is due, and each reports when its turn comes. Such a test
takes parameters and no fixtures.
"""

from __future__ import annotations

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import pod

FAST_WORKERS = 8
LONG_WORKERS = 64  # they sleep

pools = {False: ThreadPoolExecutor(FAST_WORKERS), True: ThreadPoolExecutor(LONG_WORKERS)}
started: dict[str, Future[None]] = {}

# Whoever runs the tests behind a shell's "&" has it ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "at_once: runs in a thread, beside the others that are marked so")
    config.addinivalue_line("markers", "long: takes more than eight seconds, and waits for most of them")
    config.addinivalue_line("markers", "alone: wants the machine for itself")
    config.addinivalue_line("markers", "moves: when bytes come and go, which the loop is for")
    config.addinivalue_line("markers", "frames: of the codec alone, whatever the loop")
    config.addinivalue_line("filterwarnings", "ignore:ssl.TLSVersion:DeprecationWarning")


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for item in session.items:
        if not item.get_closest_marker("at_once"):
            continue
        params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        pool = pools[bool(item.get_closest_marker("long"))]
        started[item.nodeid] = pool.submit(item.obj, **params)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.nodeid not in started:
        return None
    started[pyfuncitem.nodeid].result()
    return True


def pytest_sessionfinish() -> None:
    for pool in pools.values():
        pool.shutdown(wait=False, cancel_futures=True)
    pod.shared.close()
