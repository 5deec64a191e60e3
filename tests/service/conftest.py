"""A fake service for each test, and the program to be run against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / name) for name in ("servers", "peers", "agent")]

import certificates  # noqa: E402
import peers  # noqa: E402
from fake_service import FakeService  # noqa: E402

OURS = ("RADAR_", "XDG_", "HOME", "CRL_URL")
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in PROXIES}
    return kept | {"HOME": str(home), "NO_COLOR": "1"} | more


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", help="K/N: every N-th test from the K-th on; ctest runs the parts beside each other")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part = config.getoption("--part")
    if part:
        k, n = map(int, part.split("/"))
        mine = set(items[k - 1::n])
        config.hook.pytest_deselected(items=[item for item in items if item not in mine])
        items[:] = [item for item in items if item in mine]


class Machine:
    """One on which radar-pod is run: a home, a configuration, a service that it knows."""

    def __init__(self, home: Path, service: FakeService) -> None:
        self.home, self.service = home, service
        self.config = home / "config.conf"
        self.configure()

    def configure(self, **keys: str) -> None:
        if self.service.url.startswith("https:"):
            keys.setdefault("ca_file", str(certificates.authority()))
        lines = {"server_url": self.service.url} | keys
        self.config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def keys(self) -> dict[str, str]:
        pairs = (line.partition("=") for line in self.config.read_text().splitlines())
        return {key: value for key, _, value in pairs}

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        try:
            program = peers.radar_pod()
        except peers.Unavailable as missing:
            pytest.skip(str(missing))
        return subprocess.Popen(
            [program, "register", "-c", self.config, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=self.home,
            env=clean_environment(self.home, **environment),
        )  # fmt: skip

    def register(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=60)
        assert "Sanitizer" not in err and "runtime error" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, service: FakeService) -> Machine:
    return Machine(tmp_path, service)


@pytest.fixture
def tls_machine(tmp_path: Path) -> Iterator[Any]:
    """Makes a machine whose service shows the certificate of that name."""
    running: list[FakeService] = []

    def make(certificate: str = "good") -> Machine:
        running.append(FakeService(certificates.server_context(certificate)))
        running[-1].__enter__()
        return Machine(tmp_path, running[-1])

    yield make
    for each in running:
        each.__exit__()
