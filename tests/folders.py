"""Folders of tests that are no fixture's, or are for others than root, whom pytest's own are closed to.

What a killed run leaves goes with the next run: who has made a folder holds a lock on it for as long as it
lives.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "radar-pod-test-"
BORN_S = 60  # between a folder's making and its lock its maker may be anywhere

held: dict[Path, int] = {}  # the descriptor that has the lock


def make(kind: str) -> Path:
    """Of mode 0700. It goes with remove(), at the end of this process at the latest."""
    clear(kind)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-"))
    held[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held[folder], fcntl.LOCK_EX)
    atexit.register(remove, folder)
    return folder


def beside(folder: Path) -> list[Path]:
    """The folder and what has its name and an ending."""
    return [folder, *folder.parent.glob(f"{folder.name}.*")]


def delete(folder: Path) -> None:
    for path in beside(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Accepts one that was removed."""
    if folder in held:
        delete(folder)
        os.close(held.pop(folder))


def is_left(folder: Path) -> bool:
    """Of a run that is over, and not just being made."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return time.time() - os.fstat(fd).st_ctime > BORN_S
    except BlockingIOError:
        return False
    finally:
        os.close(fd)


def clear(kind: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}{kind}-????????"):
        with contextlib.suppress(OSError):  # somebody else's, or gone since
            if is_left(folder):
                delete(folder)


@contextlib.contextmanager
def folder(kind: str, mode: int = 0o700) -> Iterator[Path]:
    made = make(kind)
    try:
        made.chmod(mode)
        yield made
    finally:
        remove(made)
