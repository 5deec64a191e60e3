"""Packages of the build that is tested, and dpkg in a root of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from root import Root

BUILD = Path(os.environ.get("RADAR_POD_BUILD", "build/release")).resolve()
HANG_S = 300  # no command here takes a tenth of it

Begin = Callable[..., Root]
FIRST_AGENTS_CONFIG = "/root/.config/radar/config.conf"
FIRST_AGENTS_POD = "client_id=rabcdefghijk\nsecret=AbCdEfGhijk\nping_freq=15\n"


def tool(*argv: str | Path, **more: Any) -> str:
    if not shutil.which(str(argv[0])):
        pytest.skip(f"there is no {argv[0]} here")
    done = subprocess.run(
        [str(a) for a in argv], text=True, timeout=HANG_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pack(folder: Path) -> Path:
    """The time of packing is fixed: what is left to differ would be a fault."""
    tool("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, cwd=BUILD,
         env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})  # fmt: skip
    (package,) = folder.glob("*.deb")
    return package


def next_version(deb: Path, tree: Path) -> Path:
    """The same as a later version."""
    tool("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: \S+)$", r"\1+next", control.read_text(), flags=re.MULTILINE))
    tool("dpkg-deb", "-Znone", "-b", tree, tree.with_suffix(".deb"))
    return tree.with_suffix(".deb")


def dpkg(root: Root, *words: str | Path) -> str:
    """Other packages' triggers (the index of manuals) are not what is tested."""
    return root.run("dpkg", "--no-triggers", *words, DEBIAN_FRONTEND="noninteractive").stdout
