"""What is skipped is said to whoever started pytest: by name, with the reason, and in the exit status."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest

# Results that a test does not ask to be kept elsewhere are kept here, and gone with the run.
_state = tempfile.TemporaryDirectory(prefix="radar-pod-state.")
os.environ["STATE_DIRECTORY"] = _state.name

ALL_SKIPPED = 77  # ctest's SKIP_RETURN_CODE; pytest by itself would answer 0


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
