"""The units as systemd's own tools judge them, and their command line run as systemd runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import RADAR_POD, eventually
from fake_service import FakeService

BUILD = Path(os.environ.get("RADAR_POD_BUILD", "build/release"))
SYSTEM = Path(__file__).resolve().parents[2] / "agent/system"
UNITS = ["radar-pod.service", "radar-pod-bpf@.service"]


def tool(name: str) -> str:
    path = shutil.which(name)
    if not path:
        pytest.skip(f"there is no {name} here (systemd)")
    return path


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(a) for a in argv], text=True, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units in a folder of their own, of the program that is tested; a template is one instance."""
    folder = tmp_path / "units"
    folder.mkdir()
    for source in (BUILD / "units").iterdir():
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={RADAR_POD}", source.read_text(), flags=re.MULTILINE)
        (folder / source.name).write_text(text)
    shutil.copy(folder / "radar-pod-bpf@.service", folder / "radar-pod-bpf@1.service")
    return folder


@pytest.mark.parametrize("name", ["radar-pod.service", "radar-pod-bpf@1.service"])
def test_P2_exposure_is_at_most_1_5(units: Path, name: str) -> None:
    judged = run(tool("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager", units / name)
    figure = re.search(r"Overall exposure level for \S+ (\d+\.\d)", judged.stdout)
    assert judged.returncode == 0 and figure, judged.stdout
    assert float(figure[1]) <= 1.5, judged.stdout
    print(f"{name}: {figure[1]}")


def test_systemd_has_nothing_to_say_of_the_units(units: Path) -> None:
    judged = run(
        tool("systemd-analyze"), "verify", "--man=no", *(units / n for n in [*UNITS, "radar-pod-bpf.socket"])
    )
    ours = [line for line in judged.stdout.splitlines() if "radar-pod" in line]
    assert not ours, judged.stdout


def test_user_and_directory_are_made(tmp_path: Path) -> None:
    """By systemd's own tools, in a root of the test's own."""
    (tmp_path / "etc").mkdir()
    made = run(tool("systemd-sysusers"), f"--root={tmp_path}", SYSTEM / "sysusers.conf")
    assert made.returncode == 0, made.stdout
    users = {line.split(":")[0]: line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    assert users["radar-pod"][5:] == ["/var/lib/radar-pod", "/usr/sbin/nologin"]
    assert re.search(r"^netdev:.*:radar-pod$", (tmp_path / "etc/group").read_text(), re.MULTILINE)
    if os.geteuid() != 0:
        return
    made = run(tool("systemd-tmpfiles"), "--create", f"--root={tmp_path}", SYSTEM / "tmpfiles.conf")
    assert made.returncode == 0, made.stdout
    status = (tmp_path / "etc/radar-pod").stat()
    assert (status.st_mode & 0o777, str(status.st_uid)) == (0o750, users["radar-pod"][2])


# --- the command line, with a service manager that is the test ------------------------------------------------


class Manager:
    """The end of a notification socket, and what came to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(300)

    def await_word(self, word: str) -> str:
        """The first message from now on that has the line."""
        while True:
            message = self.socket.recv(4096).decode()
            if any(line.startswith(word) for line in message.splitlines()):
                return message


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


def unit_command(name: str) -> list[str]:
    text = (BUILD / "units" / name).read_text()
    line = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert line and "RADAR_CONFIG_PATH=/etc/radar-pod/config.conf" in text
    return [RADAR_POD, *shlex.split(line[1])[1:]]


def test_the_units_command_line_keeps_to_the_protocol(tmp_path: Path, manager: Manager) -> None:
    """READY=1, WATCHDOG=1, RELOADING=1 with its time and READY=1 again, STOPPING=1, in this order."""
    state, config = tmp_path / "state", tmp_path / "config.conf"
    with FakeService() as service:
        config.write_text(f"server_url={service.url}\n")
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                unit_command("radar-pod.service"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000", "HOME": str(tmp_path),
                                  "STATE_DIRECTORY": str(state), "RADAR_CONFIG_PATH": str(config)},
            )  # fmt: skip
        try:
            manager.await_word("READY=1")
            assert (state / "store.db").exists()
            manager.await_word("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            assert re.search(r"^MONOTONIC_USEC=\d+$", manager.await_word("RELOADING=1"), re.MULTILINE)
            manager.await_word("READY=1")
            eventually(lambda: "secret=" in config.read_text(), 300)
            process.send_signal(signal.SIGTERM)
            manager.await_word("STOPPING=1")
            assert process.wait(300) == 0
        finally:
            process.kill()
            process.wait()
