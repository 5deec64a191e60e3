"""Where the fakes of the pod service and the daemon of tests/service are found; a package and roots for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / name) for name in ("service", "servers", "peers")]

from packing import Begin, pack, tool  # noqa: E402
from root import Root  # noqa: E402


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool("dpkg-shlibdeps", "--version")
    return pack(tmp_path_factory.mktemp("deb"))


@pytest.fixture
def begin() -> Iterator[Begin]:
    roots: list[Root] = []

    def make(files: dict[str, str] | None = None, systemd: bool = False) -> Root:
        roots.append(Root(files or {}, systemd))
        return roots[-1]

    yield make
    for root in roots:
        root.end()
