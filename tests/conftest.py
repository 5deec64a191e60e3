"""What is skipped is said to whoever started pytest: by name, with the reason, and in the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parent))
import folders  # noqa: E402
import line  # noqa: E402

ON_A_LINE = "RADAR_POD_TEST_LINE"  # Gbit/s: its network is line.live_on_a_line()

ALL_SKIPPED = 77  # ctest's SKIP_RETURN_CODE; pytest by itself would answer 0


@pytest.fixture(scope="session", autouse=True)
def state_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Results that a test does not ask to be kept elsewhere are kept here: among what pytest clears away itself, also
    after a run that was killed."""
    os.environ["STATE_DIRECTORY"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def open_path() -> Iterator[Path]:
    """That others than root may pass through: pytest's own are closed again by each pytest that begins."""
    with folders.folder("open", 0o711) as folder:
        yield folder


@pytest.fixture(scope="session")
def fetched() -> None:
    """What a folder's tests must fetch while there is a network to fetch it from."""


@pytest.fixture(scope="session", autouse=True)
def on_a_line(fetched: None) -> None:
    gbps = os.environ.get(ON_A_LINE)
    if gbps:
        print(line.live_on_a_line(float(gbps)) or f"on a line of {gbps} Gbit/s")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each skipped test: -rs folds them into one for each reason, -v cuts the reason short."""
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"skipped {report.nodeid}: {report.longrepr[2].removeprefix('Skipped: ')}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    report = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = report.stats if report else {}
    if stats.get("skipped") and not any(stats.get(s) for s in ("passed", "failed", "error")):
        session.exitstatus = ALL_SKIPPED
