"""Folders of killed runs go with the next one, those of a living one do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import folders
import pytest

MAKES = "import folders, sys; print(folders.make('self'), flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "BORN_S", -1)
    monkeypatch.setattr(folders.tempfile, "tempdir", str(tmp_path))


def other_run(tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.Popen([sys.executable, "-c", MAKES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout
    return run, Path(run.stdout.readline().strip())


def test_what_a_killed_run_leaves_goes_with_the_next(tmp_path: Path) -> None:
    run, left = other_run(tmp_path)
    (left / "file").write_text("x")
    Path(f"{left}.log").write_text("x")
    Path(f"{left}.in").mkdir()
    mine = folders.make("self")
    assert (left / "file").exists(), "it lives"
    run.kill()
    run.wait()
    (another := tmp_path / f"{folders.PREFIX}other-12345678").mkdir()
    second = folders.make("self")
    assert sorted(tmp_path.iterdir()) == sorted([mine, second, another])


def test_what_is_just_being_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "BORN_S", 60)
    (young := tmp_path / f"{folders.PREFIX}self-12345678").mkdir()
    folders.clear("self")
    assert young.exists()


def test_it_goes_at_the_end(tmp_path: Path) -> None:
    run, made = other_run(tmp_path)
    assert made.is_dir() and made.parent == tmp_path
    run.communicate()
    assert run.returncode == 0 and not made.exists()
    with folders.folder("self", 0o711) as folder:
        assert folder.stat().st_mode & 0o777 == 0o711
    assert not list(tmp_path.iterdir())
